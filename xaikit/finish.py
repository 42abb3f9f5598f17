"""The five stages from a raw signed map to a picture: rectify, normalize, scale, resize, fuse.

Each stage is one group of plugins, pure functions of maps (N, T, *S) of any number of dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit._numeric import MODES, exact
from xaikit.errors import ConfigError
from xaikit.registry import Registry
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import STAGES, FinishConfig


class Rectifier(Protocol):
    """What is kept of the sign.

    ``signed`` says whether a rectified map may be negative. ``drops_negative`` says whether what is negative counts for
    nothing: rectify(x) is rectify(max(0, x)), and of a map that is negative all over nothing is left.
    """

    @property
    def signed(self) -> bool: ...

    @property
    def drops_negative(self) -> bool: ...

    def rectify(self, saliency: Tensor) -> Tensor: ...


class Normalizer(Protocol):
    """The range of a map; ``space`` names the dimensions of one map.

    ``signed`` says that the range is [-1, 1], so that a negative map stays negative; else it is [0, 1]. As in all later
    stages nothing negative comes of a map that is nowhere negative.
    """

    @property
    def signed(self) -> bool: ...

    def normalize(self, saliency: Tensor, space: tuple[int, ...]) -> Tensor: ...


class Scaler(Protocol):
    """How a normalized map is bent; ``stride`` is the input pixels a cell of the tap."""

    def scale(self, saliency: Tensor, stride: float) -> Tensor: ...


class Resizer(Protocol):
    """The spatial shape to reach, from those of the maps and that of the input."""

    def size(self, maps: Sequence[tuple[int, ...]], inputs: tuple[int, ...]) -> tuple[int, ...]: ...


class Fuser(Protocol):
    """One map from those of several layers, stacked in front, the one of most cells first: (L, N, T, *S) to (N, T, *S).

    Layers of as many cells come in the order in which they are stated, or in which ``auto`` lists them.

    ``renormalize`` says whether the result has left the range of its parts and is normalized once more.
    """

    @property
    def renormalize(self) -> bool: ...

    def fuse(self, stack: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Finish:
    """The stages of one label; None leaves a stage out."""

    rectify: Rectifier | None = None
    normalize: Normalizer | None = None
    scale: Scaler | None = None
    resize: Resizer | None = None
    fuse: Fuser | None = None

    @property
    def signed(self) -> bool:
        """Whether finished maps may be negative."""
        return all(stage is None or stage.signed for stage in (self.rectify, self.normalize))

    @property
    def drops_negative(self) -> bool:
        """Whether what is negative in a raw map counts for nothing in the finished one."""
        return self.rectify is not None and self.rectify.drops_negative


def finish_maps(
    finish: Finish, raws: Mapping[str, Tensor], strides: Mapping[str, float], inputs: tuple[int, ...]
) -> tuple[dict[str, Tensor], Tensor | None]:
    """Take raw maps through the stages.

    Args:
        raws: raw signed maps (N, T, *S) by layer.
        strides: input pixels a cell, by layer.
        inputs: the spatial shape of the model's input.

    Returns:
        The finished maps by layer, and their fusion (None without a fuser or without a map).

    Raises:
        ConfigError: maps of unequal size are to be fused and no resize is asked for.
    """
    # half precision is finished in float32: a normalized map needs more than eight bits; a copy, as a stage may work in place
    copies = {layer: exact(raw).clone(memory_format=torch.contiguous_format) for layer, raw in raws.items()}
    finished = {layer: _bend(finish, copy, strides[layer]) for layer, copy in copies.items()}
    if finish.resize is not None and finished:
        size = finish.resize.size([_space(raw) for raw in raws.values()], inputs)
        finished = {layer: resize(saliency, size) for layer, saliency in finished.items()}
    # a fuser is given maps of one size: which layer was finer is told by the order
    order = sorted(finished, key=lambda layer: -math.prod(_space(raws[layer])))
    return finished, _fuse(finish, {layer: finished[layer] for layer in order})


def finish_over(
    finish: Finish | None,
    raws: Mapping[str, Tensor],
    strides: Mapping[str, float],
    inputs: Mapping[str, tuple[int, ...]],
) -> tuple[dict[str, Tensor], Tensor | None]:
    """:func:`finish_maps` where layers may be maps of several inputs, whose spatial shapes are given by layer; nothing
    without a finish.

    Raises:
        ConfigError: maps of inputs of unequal size are to be fused.
    """
    if finish is None:
        return {}, None
    if len(sizes := set(inputs.values())) == 1:
        return finish_maps(finish, raws, strides, *sizes)
    if finish.fuse is not None:
        listed = ", ".join(f"{layer} {space}" for layer, space in inputs.items())
        raise ConfigError(f"finish.fuse: expected maps of inputs of one size, got {listed}; set finish.fuse: none")
    alone = [finish_maps(finish, {layer: raw}, strides, inputs[layer])[0] for layer, raw in raws.items()]
    return {layer: saliency for finished in alone for layer, saliency in finished.items()}, None


def _bend(finish: Finish, saliency: Tensor, stride: float) -> Tensor:
    if finish.rectify is not None:
        saliency = finish.rectify.rectify(saliency)
    saliency = _normalize(finish, saliency)
    return saliency if finish.scale is None else finish.scale.scale(saliency, stride)


def _normalize(finish: Finish, saliency: Tensor) -> Tensor:
    if finish.normalize is None:
        return saliency
    return finish.normalize.normalize(saliency, tuple(range(2, saliency.dim())))


def _fuse(finish: Finish, finished: Mapping[str, Tensor]) -> Tensor | None:
    if finish.fuse is None or not finished:
        return None
    if len({_space(saliency) for saliency in finished.values()}) > 1:
        sizes = ", ".join(f"{layer} {_space(saliency)}" for layer, saliency in finished.items())
        raise ConfigError(
            f"finish.fuse: expected maps of one size, got {sizes}; set finish.resize or finish.fuse: none"
        )
    fused = finish.fuse.fuse(torch.stack(list(finished.values())))
    return _normalize(finish, fused) if finish.fuse.renormalize else fused


def resize(saliency: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps (N, T, *S) at another spatial shape: (bi-, tri-)linear between cell centres, no overshoot.

    Raises:
        ConfigError: the size has not as many dimensions as the map.
    """
    space = _space(saliency)
    if len(size) != len(space):
        raise ConfigError(f"finish.resize: expected {len(space)} numbers for maps of shape {space}, got {list(size)}")
    if space == tuple(size):
        return saliency
    if len(space) not in MODES:
        raise ConfigError(f"finish.resize: expected maps of 1 to 3 dimensions, got {space}; write resize: none")
    return interpolate(saliency, size=tuple(size), mode=MODES[len(space)], align_corners=False)


def _space(saliency: Tensor) -> tuple[int, ...]:
    return tuple(saliency.shape[2:])


def build_finish(stages: FinishConfig, registry: Registry, base: Path | None = None) -> Finish:
    """The plugins behind a finish; a stage that says ``none`` is left out."""
    built: dict[str, Any] = {
        stage: None if use.use == "none" else instantiate(STAGES[stage], use, registry, base)
        for stage, use in stages.stages().items()
    }
    return Finish(**built)
