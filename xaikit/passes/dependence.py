"""Samples that depend on each other, as behind batch normalization without running statistics or a target that compares
them: one gradient of a sum of scores would mix them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.modules.batchnorm import _BatchNorm

from xaikit._numeric import differentiate, nodes_behind, on_host
from xaikit.passes.backprop import FEW_NODES

REASON = "samples of this batch depend on each other: each was explained by its own score, in this batch"


NEGLIGIBLE = 1e-6


_ROWWISE = re.compile(
    "(Mkldnn|Cudnn)?Convolution|(Native|Cudnn)BatchNorm|Native(Layer|Group)Norm|Addmm|T|AccumulateGrad|"
    "Threshold|Relu|LeakyRelu|Prelu|Elu|Silu|Gelu|Sigmoid|Tanh|Softplus|Hardtanh|Hardswish|Hardsigmoid|NativeDropout|"
    "Add|Sub|Mul|Div|Neg|Exp|Log|Pow|Sqrt|Rsqrt|Clone|Alias|Clamp|ClampMin|ToCopy|"
    "(Mkldnn)?(Adaptive)?(Max|Avg)Pool[123]D(WithIndices)?|Upsample.*|ConstantPadNd|(Log)?Softmax|Mean|Sum|"
    "(Unsafe)?View|ReshapeAlias|Unsqueeze|Squeeze|Transpose|Permute|Cat|Gather|Select|Slice"
)
"""Operations that keep samples apart where they do not work along the axis of samples."""


_AXES = ("_saved_dim", "_saved_dim0", "_saved_dim1")


_verdicts: WeakKeyDictionary[nn.Module, dict[int, bool]] = WeakKeyDictionary()
"""By model, and by the operations behind its taps: whether samples depend on each other."""


def depend(model: nn.Module, scores: Tensor, points: Sequence[Tensor]) -> bool:
    """Whether some sample's scores (of N, T) depend on the rows of other samples at some point.

    Where an operation could mix samples this costs two gradient calls, once for a model.
    """
    points = _by_sample(points, len(scores))
    if len(scores) < 2 or not points or not scores.requires_grad:
        return False
    nodes = list(nodes_behind(scores.grad_fn))
    # names do not tell the axes of a target, which is what changes for one model
    near = tuple(_keeps_apart(node, len(scores)) for node in nodes[:FEW_NODES])
    names = ((node.name(), getattr(node, "_saved_training", None)) for node in nodes)
    verdicts, key = _verdicts.setdefault(model, {}), hash((near, *names))
    if key not in verdicts:
        apart = all(_keeps_apart(node, len(scores)) for node in nodes)
        try:
            mixed = False if apart else _mixed(scores, points)
        except RuntimeError:
            return False  # the gradient that all share says what is wrong, by name
        if mixed is None:
            return False
        verdicts[key] = mixed
    return verdicts[key]


def normalizes_batches(modules: Iterable[nn.Module]) -> bool:
    """Whether some of them normalize by the statistics of the batch."""
    return any(isinstance(m, _BatchNorm) and (m.training or m.running_mean is None) for m in modules)


def gradients_by_row(scores: Tensor, points: Sequence[Tensor]) -> tuple[list[Tensor | None], int]:
    """Of every sample's own scores (N, T) at its own row of every point: (T, *point) each, None where they do not depend on
    it; and how many gradient calls they took."""
    by_target = zip(*(_own_rows(column, points) for column in scores.unbind(1)), strict=True)
    gradients = [None if any(one is None for one in each) else torch.stack(each) for each in map(list, by_target)]
    return gradients, scores.numel()


def _own_rows(column: Tensor, points: Sequence[Tensor]) -> list[Tensor | None]:
    """For scores (N,): (*point) of every point."""
    by_sample = [
        [_own_row(gradient, row, len(column)) for gradient in _gradients(score, points)]
        for row, score in enumerate(column)
    ]
    joined = zip(*by_sample, strict=True)
    return [None if any(one is None for one in rows) else torch.cat(rows) for rows in map(list, joined)]


def _gradients(score: Tensor, points: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    return differentiate(score, points, retain_graph=True, allow_unused=True)


def _own_row(gradient: Tensor | None, row: int, rows: int) -> Tensor | None:
    """Of windows, those of the sample."""
    if gradient is None or len(gradient) % rows:
        return None
    each = len(gradient) // rows
    return gradient[row * each : (row + 1) * each]


def _keeps_apart(node: Node, rows: int) -> bool:
    name = re.sub(r"(Backward\d*)?$", "", node.name().rpartition("::")[2])
    axes = [getattr(node, axis) for axis in _AXES if hasattr(node, axis)]
    first = next(iter(getattr(node, "_saved_self_sym_sizes", ())), rows)
    if name == "AsStrided":
        return _is_of_pooling(node, rows)
    if not _ROWWISE.fullmatch(name) or getattr(node, "_saved_training", False) or first != rows:
        return False
    if name in ("Mean", "Sum"):  # of everything, where it names no axes
        return bool(axes) and bool(axes[0]) and 0 not in axes[0]
    return 0 not in axes and getattr(node, "_saved_dims", (0,))[0] == 0


def _is_of_pooling(node: Node, rows: int) -> bool:
    """Whether it gives what pooling to one place left its channels_last strides, as torch does; any other may mix samples."""
    sizes, parents = (
        getattr(node, "_saved_size", ()),
        [parent for parent, _ in node.next_functions if parent is not None],
    )
    return (
        sizes[:1] == (rows,) and set(sizes[2:]) == {1} and all(parent.name() == "MeanBackward1" for parent in parents)
    )


def _mixed(scores: Tensor, points: Sequence[Tensor]) -> bool | None:
    """By the gradients of two samples, as one may be the one that all others depend on, such as by the largest value of a batch;
    None where fewer have any, which tells nothing of the next batch."""
    sure = 0
    for row in (0, len(scores) - 1, *range(1, len(scores) - 1)):
        gradients = [gradient for gradient in _gradients(scores[row].sum(), points) if gradient is not None]
        reached = on_host([_reached(gradient, row) for gradient in gradients])
        if any(bool(others) for others, _ in reached):
            return True
        sure += any(bool(own) for _, own in reached)
        if sure == 2:
            return False
    return None


def _reached(gradient: Tensor, row: int) -> Tensor:
    """Whether rows of other samples have a gradient, and whether the sample's own row has one."""
    largest = gradient.abs().flatten(1).amax(1) if gradient.dim() > 1 else gradient.abs()
    others = largest.index_fill(0, torch.tensor(row, device=gradient.device), 0).amax()
    return torch.stack([others > NEGLIGIBLE * largest.amax(), largest[row] > 0])


def _by_sample(points: Sequence[Tensor], rows: int) -> list[Tensor]:
    return [point for point in points if len(point) == rows and point.requires_grad]
