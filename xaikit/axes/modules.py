"""Which axis is what in what a module receives and returns, where its class says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from xaikit._numeric import differentiate
from xaikit.axes.arrangement import plain
from xaikit.axes.numbers import Source
from xaikit.layouts import Axes, MapLayout

Axis = Callable[[nn.Module, Tensor], "tuple[int | None, tuple[int, ...]] | None"]


def note(module: nn.Module, tensor: Tensor | None, turn: int, rules: Sequence[Axis], sources: list[Source]) -> None:
    """Add a tensor to the sources, if a rule knows which of its axes is what."""
    if tensor is None:
        return
    for rule in rules:
        axes = rule(module, tensor)
        if axes is not None:
            channels, cells = axes
            # rows that are no samples: frames or windows
            folded = (0,) if tensor.shape[0] > 1 and 0 not in cells else ()
            sources.append(Source(tensor, channels, (*folded, *cells), turn))
            return


def like_a_source(tensor: Tensor, sources: Sequence[Source]) -> MapLayout | None:
    """The arrangement of a source of the same shape that a tensor is made of, where each axis has a length of its own: behind
    a ReLU that lets one channel through here and another there, gradients would tell of channels what they tell of places."""
    lengths = tensor.shape[1:]
    for source in reversed(sources) if tensor.requires_grad else ():
        if not source.tensor.requires_grad or 0 in source.cells:
            continue
        if source.tensor.shape == tensor.shape and len(set(lengths)) == len(lengths):
            ones = torch.ones_like(tensor)
            made_of = differentiate(tensor, source.tensor, ones, retain_graph=True, allow_unused=True)[0]
            return None if made_of is None else plain(Axes(source.channels, tuple(source.cells)))
    return None


def takes_any_axes(module: nn.Module | None) -> bool:
    """Whether a module returns whatever axes it receives, tokens of several heads among them."""
    last = isinstance(module, nn.LayerNorm) and type(module).forward is nn.LayerNorm.forward
    return last or isinstance(module, (nn.Identity, nn.Dropout, nn.Softmax, nn.Linear, nn.RMSNorm))


def _maps(module: nn.Module, tensor: Tensor) -> tuple[int | None, tuple[int, ...]] | None:
    """Convolutions and normalizations of maps: (N, C, *S)."""
    convolves = isinstance(module, nn.modules.conv._ConvNd) and tensor.dim() == len(module.kernel_size) + 2
    normalizes = isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d, nn.InstanceNorm3d))
    # a kernel of one over a sequence may well take its places for channels
    covers = not isinstance(module, nn.Conv1d) or max(*module.kernel_size, *module.stride) > 1
    return (1, tuple(range(2, tensor.dim()))) if (convolves and covers) or normalizes else None


def _recurs(module: nn.Module, tensor: Tensor) -> tuple[int | None, tuple[int, ...]] | None:
    """Recurrent networks: (N, L, C), or (L, N, C)."""
    recurs = isinstance(module, nn.RNNBase) and tensor.dim() == 3
    return (2, (1 if module.batch_first else 0,)) if recurs else None


def _attends(module: nn.Module, tensor: Tensor) -> tuple[int | None, tuple[int, ...]] | None:
    """Attention: likewise, with tokens among them that are no place."""
    attends = isinstance(module, nn.MultiheadAttention) and tensor.dim() == 3
    return (2, (1 if module.batch_first else 0,)) if attends else None


def _embeds(module: nn.Module, tensor: Tensor) -> tuple[int | None, tuple[int, ...]] | None:
    """Embeddings: (N, L, C)."""
    return (2, (1,)) if isinstance(module, nn.Embedding) and tensor.dim() == 3 else None


def _last(module: nn.Module, tensor: Tensor) -> tuple[int | None, tuple[int, ...]] | None:
    """Layers over the last axis."""
    last = isinstance(module, nn.Linear) or (
        isinstance(module, nn.LayerNorm)
        and type(module).forward is nn.LayerNorm.forward
        and len(module.normalized_shape) == 1
    )
    return (tensor.dim() - 1, tuple(range(1, tensor.dim() - 1))) if last and tensor.dim() > 2 else None


def _over_sequence(module: nn.Module, tensor: Tensor) -> tuple[int | None, tuple[int, ...]] | None:
    """Layers of sequences (N, C, L) that may take places for channels."""
    return (1, (2,)) if isinstance(module, (nn.Conv1d, nn.BatchNorm1d)) and tensor.dim() == 3 else None


RECEIVED: tuple[Axis, ...] = (_maps, _recurs, _attends)
RETURNED: tuple[Axis, ...] = (_maps, _recurs, _embeds)
WEAKLY: tuple[Axis, ...] = (_attends, _last, _over_sequence)
