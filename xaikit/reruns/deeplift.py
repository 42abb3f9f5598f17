"""DeepLIFT's multipliers at a tap (Shrikumar et al. 2017, arXiv:1704.02685, the Rescale rule), against other activations.

A difference at the tap goes through what is linear as a gradient does; at a ReLU it is multiplied by what the ReLU
makes of it, (out - out') / (in - in'), where ' is of a pass with the others at the tap. So multipliers times differences
sum to that of the scores, which is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import CheckpointError

from xaikit._numeric import exact
from xaikit.errors import ConfigError
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.hooks import Substitute, substituted
from xaikit.evidence.taps import Tap
from xaikit.passes.backprop import gradients_at, nodes_behind
from xaikit.passes.weights import attempt
from xaikit.reruns.context import PassContext

RELUS = {functional.relu, torch.relu, Tensor.relu}


RELUS_IN_PLACE = {functional.relu_, torch.relu_, Tensor.relu_}


LINEAR = re.compile(
    "Add|Sub|Rsub|Neg|Sum|Mean|Nansum|Cumsum|Trace|"
    "(Mkldnn)?(Adaptive)?AvgPool[123]D|Upsample.*|ConstantPadNd|(Reflection|Replication)Pad[123]D|"
    "(Unsafe)?View|ReshapeAlias|Permute|Transpose|T|Squeeze|Unsqueeze|Expand|Repeat|Select|Slice|Narrow|Split|"
    "SplitWithSizes|UnsafeSplit|Chunk|Unbind|Cat|Stack|Index|IndexSelect|Gather|MaskedFill|Diagonal|Flip|Roll|Rot90|Unfold|Im2Col|"
    "PixelShuffle|PixelUnshuffle|ChannelShuffle|AsStrided|Alias|Clone|Copy|CopyBackwards|CopySlices|ToCopy|_Rescaled"
)


PRODUCTS = re.compile(
    "Mul|Div|Mm|Bmm|Mv|Dot|Addmm|Addbmm|Baddbmm|Addmv|Linear|(Mkldnn|Cudnn|Miopen)?Convolution(Overrideable)?|"
    "(Native|Cudnn|Miopen)BatchNorm"
)
"""Linear as long as one factor alone depends on the tap."""


TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}


HALF = 5e-2


def multipliers(context: PassContext, start: Tensor | None = None) -> Tensor:
    """What a difference at the tap is multiplied by, for every score: (N, T, C, *S).

    Two passes of their own, the first with other activations at the tap and the second as it is.

    Args:
        start: the others, (N, C, *S); zero without them.

    Raises:
        ConfigError: behind the tap is something else than linear operations and ReLUs; it is named.
    """
    context.check_apart("multipliers")
    with undisturbed(context.model, context.readout.mode):
        true = context.activations
        start = torch.zeros_like(true) if start is None else start.to(true)
        product, scores, least = attempt(context.model, lambda grad: _both_passes(context, start, grad))
    _check_sum(context.tap, product * (true - start).unsqueeze(1), scores, least)
    return product


def _both_passes(context: PassContext, start: Tensor, grad: bool) -> tuple[Tensor, Tensor, Tensor] | None:
    """Multipliers (N, T, C, *S), and the scores of both (N, T), the true ones first; None where grad was off on the way."""
    layout, reference = context.place.layout, _Watch()

    def put(true: Tensor) -> Tensor:
        # tokens that are no place stay what they are
        return layout.from_map(start, true).to(true.dtype, copy=True)

    with torch.no_grad(), _behind(context, reference, put):
        least = context.pinned.scores(context.forward())
    with _behind(context, _Watch(reference.entered), lambda true: true):
        scored = context.scores_at_tap(grad)
    if scored is None:
        return None
    scores, point = scored
    _check_operations(context.tap, scores, point)
    try:
        (product,), calls = gradients_at(scores, [point])
    except CheckpointError as error:
        # what is computed again has ReLUs of the model's own
        raise ConfigError(f"layer {context.tap}: behind it the model is checkpointed: switch that off") from error
    context.tally.gradient_calls += calls
    product = torch.zeros_like(point).expand(scores.shape[1], *point.shape) if product is None else product
    return torch.stack([layout.to_map(column) for column in product], 1), scores.detach(), least


@contextmanager
def _behind(context: PassContext, watch: _Watch, put: Substitute) -> Iterator[None]:
    """The watch, from the tap on, which returns something else."""

    def passed(true: Tensor) -> Tensor:
        watch.is_behind = True
        return put(true)

    with substituted(context.model, context.tap, context.place.path, context.place.turn, passed), watch:
        yield


class _Rescaled(torch.autograd.Function):
    """A ReLU whose derivative is the multiplier; kept apart from saved tensors, which hooks of a model may change."""

    @staticmethod
    def forward(ctx: Any, entered: Tensor, reference: Tensor) -> Tensor:
        ctx.multiplier = rescaled(entered, reference)
        return entered.clamp_min(0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient * ctx.multiplier, None


def rescaled(entered: Tensor, reference: Tensor) -> Tensor:
    """(relu(x) - relu(x')) / (x - x'), the derivative where both lie on one side; nothing cancels.

    >>> rescaled(torch.tensor([2.0, -1.0, 3.0, -3.0]), torch.tensor([1.0, -1.0, -1.0, 1.0]))
    tensor([1.0000, 0.0000, 0.7500, 0.2500])
    """
    positive = entered > 0
    apart = positive != (reference > 0)
    share = torch.maximum(entered, reference) / (entered - reference).abs().where(apart, 1)
    return share.where(apart, positive.to(entered.dtype))


class _Watch(TorchFunctionMode):
    """Every ReLU behind the tap: what enters it is recorded in the first pass, and its derivative replaced in the second.

    is_behind  whether the tap has been passed
    entered    what entered the ReLUs, in order

    Args:
        references: what entered them in the first pass, for the second.
    """

    def __init__(self, references: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.is_behind = False
        self.entered: list[Tensor] = []
        self._references = references if references is None else iter(references)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self.is_behind or func not in RELUS | RELUS_IN_PLACE:
            return func(*args, **kwargs)
        entered = args[0] if args else kwargs.get("input")
        if self._references is None:
            self.entered.append(entered.detach().clone())
            return func(*args, **kwargs)
        reference = next(self._references, None)
        if reference is None or reference.shape != entered.shape:
            raise ConfigError(
                "expected the same ReLUs behind the layer whatever it returns, and the forward branches on it"
            )
        rectified = _Rescaled.apply(entered, reference)
        in_place = func in RELUS_IN_PLACE or args[1:2] == (True,) or kwargs.get("inplace", False)
        return entered.copy_(rectified) if in_place else rectified


def _operations(scores: Tensor, point: Tensor) -> dict[Node, list[int]]:
    """The operations on the way from a tap to scores, and the operands of each that depend on the tap."""
    end = get_gradient_edge(point).node
    users: dict[Node | None, list[tuple[Node, int]]] = {}
    for node in nodes_behind(scores.grad_fn, end):
        for operand, (parent, _) in enumerate(node.next_functions):
            users.setdefault(parent, []).append((node, operand))
    operands: dict[Node, list[int]] = {}
    dependent = [end]
    while dependent:
        for node, operand in users.get(dependent.pop(), []):
            if node not in operands:
                dependent.append(node)
            operands.setdefault(node, []).append(operand)
    return operands


def _check_operations(tap: Tap, scores: Tensor, point: Tensor) -> None:
    for node, operands in _operations(scores, point).items():
        name = re.sub(r"(Backward\d*)?$", "", node.name().rpartition("::")[2])
        if LINEAR.fullmatch(name):
            continue
        if not PRODUCTS.fullmatch(name) or getattr(node, "_saved_training", False):
            raise _refusal(tap, name)
        if len(operands) > 1 or (name == "Div" and operands != [0]):
            raise _refusal(tap, f"{name} of two things that depend on it")


def _refusal(tap: Tap, operation: str) -> ConfigError:
    return ConfigError(
        f"layer {tap}: expected linear operations and ReLUs between it and the score, for which the rescale rule is exact, "
        f"got {operation}; name a layer behind it, explain a logit, or take featureig"
    )


def _check_sum(tap: Tap, contributions: Tensor, scores: Tensor, least: Tensor) -> None:
    """They sum to the difference of scores, or something on the way was no operation of these kinds."""
    flat, difference = exact(contributions.flatten(2)), scores - least
    tolerance = TOLERANCES.get(contributions.dtype, HALF)
    rounding = 4 * torch.finfo(contributions.dtype).eps * (scores.abs() + least.abs())
    far = (flat.sum(2) - difference).abs() > tolerance * (flat.abs().sum(2) + difference.abs()) + rounding
    if bool(far.any()):
        raise _refusal(
            tap, "one that is neither: the contributions do not sum to what the score loses without the layer"
        )
