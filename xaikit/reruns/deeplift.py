"""DeepLIFT's multipliers at a tap (Shrikumar et al. 2017, arXiv:1704.02685, the Rescale rule), against other activations.

A difference at the tap goes through what is linear as a gradient does; at an activation it is multiplied by what that
makes of it, (out - out') / (in - in'), where ' is of a pass with the others at the tap, and at max pooling it is that of one
place of each window: see :mod:`xaikit.reruns.rescale`. So multipliers times differences sum to that of the scores, which
is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import CheckpointError

from xaikit._numeric import exact, nodes_behind
from xaikit.errors import ConfigError
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.hooks import Substitute, substituted
from xaikit.evidence.taps import Tap
from xaikit.passes.backprop import gradients_at
from xaikit.passes.weights import attempt
from xaikit.reruns.context import PassContext
from xaikit.reruns.rescale import by_rule, has_rule

LINEAR = re.compile(
    "Add|Sub|Rsub|Neg|Sum|Mean|Nansum|Cumsum|Trace|"
    "(Mkldnn)?(Adaptive)?AvgPool[123]D|Upsample.*|ConstantPadNd|(Reflection|Replication)Pad[123]D|"
    "(Unsafe)?View|ReshapeAlias|Permute|Transpose|T|Squeeze|Unsqueeze|Expand|Repeat|Select|Slice|Narrow|Split|"
    "SplitWithSizes|UnsafeSplit|Chunk|Unbind|Cat|Stack|Index|IndexSelect|Gather|MaskedFill|Diagonal|Flip|Roll|Rot90|Unfold|Im2Col|"
    "PixelShuffle|PixelUnshuffle|ChannelShuffle|AsStrided|Alias|Clone|Copy|CopyBackwards|CopySlices|ToCopy|_Rescaled|_Pooled"
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
        ConfigError: behind the tap is something else than linear operations, activations and max pooling; it is named.
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
        # what is computed again has activations of the model's own
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


class _Watch(TorchFunctionMode):
    """Every operation behind the tap that has a rule: what enters it is recorded in the first pass, and its derivative replaced
    in the second.

    is_behind  whether the tap has been passed
    entered    what entered these operations, in order

    Args:
        references: what entered them in the first pass, for the second.
    """

    def __init__(self, references: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.is_behind = False
        self.entered: list[Tensor] = []
        self._references = references if references is None else iter(references)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        more = dict(kwargs or {})
        entered, *rest = args or [more.pop("input", None)]
        is_number = isinstance(entered, Tensor) and entered.is_floating_point()
        if not self.is_behind or not is_number or not has_rule(func, rest, more):
            return func(*args, **(kwargs or {}))
        if self._references is None:
            self.entered.append(entered.detach().clone())
            return func(*args, **(kwargs or {}))
        reference = next(self._references, None)
        if reference is None or reference.shape != entered.shape:
            raise ConfigError(
                "expected the same activations behind the layer whatever it returns, and the forward branches on it"
            )
        # what the tap is nothing to needs no multiplier
        return by_rule(func, entered, reference, rest, more) if entered.requires_grad else func(*args, **(kwargs or {}))


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
    otherwise = "explain a logit, or take integratedgradients"
    if not tap.is_given:
        otherwise = "name a layer behind it, explain a logit, or take featureig"
    return ConfigError(
        f"layer {tap}: expected linear operations, activations and max pooling between it and the score, for which the rescale "
        f"rule is exact, got {operation}; {otherwise}"
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
