"""How tensors of a model are read as maps of its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from xaikit.axes.arrangement import as_axes, plain, spelled
from xaikit.axes.modules import takes_any_axes
from xaikit.axes.numbers import Source
from xaikit.errors import TapError
from xaikit.evidence.probe import Probe, probed
from xaikit.evidence.taps import Tap
from xaikit.layouts import Arrangement, Axes, Layout, MapLayout, infer, keeps_aspect, token_readings
from xaikit.passes.nests import Path, first_tensor


@dataclass(frozen=True)
class Readings:
    """The ways in which a tensor may be read as a map.

    is_sure  whether the one way, where there is one, is known and not only possible
    """

    layouts: tuple[MapLayout, ...] = ()
    is_sure: bool = False

    @property
    def layout(self) -> MapLayout | None:
        """The one way to read it; None where it is no map, or it cannot be told."""
        return self.layouts[0] if self.is_sure and len(self.layouts) == 1 else None


@dataclass(frozen=True)
class InputAxes:
    """Which axis of the model's (first) input is what, and the order of those of space inside the model.

    order  for each axis of the input's space, its place among the axes of maps inside
    """

    layout: MapLayout
    order: tuple[int, ...]

    @property
    def is_turned(self) -> bool:
        """Whether maps inside have another order of axes than the input."""
        return self.order != tuple(range(len(self.order)))


MOST = 4
"""How many ways to read a tensor an error lists."""


_inputs: WeakKeyDictionary[nn.Module, dict[Any, InputAxes]] = WeakKeyDictionary()
_readings: WeakKeyDictionary[nn.Module, dict[Any, Readings]] = WeakKeyDictionary()


@dataclass(frozen=True)
class MapReader:
    """How tensors of a model are read as maps.

    Where shapes leave no doubt they tell. Else one more forward of one sample does, see :mod:`xaikit.evidence.probe`;
    what it tells is remembered for the model.

    stated  how the (first) input is arranged, where somebody says it
    """

    model: nn.Module
    inputs: Any
    stated: Arrangement | None = None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Of the model's (first) input."""
        return tuple(first_tensor(self.inputs).shape)

    @property
    def rows(self) -> int:
        """Samples."""
        return self.shape[0]

    @property
    def input_layout(self) -> MapLayout:
        """Of the model's (first) input."""
        return self.input_axes.layout

    @cached_property
    def space(self) -> tuple[int, ...]:
        """Of the model's input."""
        return tuple(self.input_layout.space(self.shape))

    @cached_property
    def input_axes(self) -> InputAxes:
        """Of the model's (first) input. Raises TapError where what somebody says does not fit."""
        key = (self.shape[1:], self.stated)
        remembered = _inputs.setdefault(self.model, {})
        if key not in remembered:
            remembered[key] = self._stated() if self.stated is not None else self._inferred()
        return remembered[key]

    def _stated(self) -> InputAxes:
        assert self.stated is not None
        layout = self.stated.layout(self.shape, self.shape[2:])
        if layout is None or layout.space(self.shape) == () or layout.to_map(first_tensor(self.inputs)).dim() < 3:
            raise TapError(f"input_layout: expected what fits inputs {self.shape}, got {self.stated}")
        rank = len(layout.space(self.shape))
        if not isinstance(layout, (Layout, Axes)) or self._is_evident:
            return InputAxes(layout, tuple(range(rank)))
        told = self._probe.input_axes()
        fits = told is not None and len(told[1]) == rank and told[0].space(self.shape) == layout.space(self.shape)
        return InputAxes(layout, told[1] if told is not None and fits else tuple(range(rank)))

    def _inferred(self) -> InputAxes:
        first, usual = first_tensor(self.inputs), Axes(1, tuple(range(2, len(self.shape))))
        if not first.is_floating_point():
            # token ids have no channels
            layout = Axes(None, (1,)) if first.dim() == 2 else usual
            return InputAxes(plain(layout), tuple(range(len(layout.space_axes))))
        told = None if self._is_evident else self._probe.input_axes()
        axes, order = told or (usual, ())
        return InputAxes(plain(axes), order or tuple(range(len(axes.space_axes))))

    @property
    def _is_evident(self) -> bool:
        """Whether only channels-first inputs fit the first convolution of their dimensions."""
        for module in self.model.modules():
            if isinstance(module, nn.modules.conv._ConvNd) and len(module.kernel_size) + 2 == len(self.shape):
                return self.shape[1] == module.in_channels and module.in_channels not in self.shape[2:]
        return False

    @cached_property
    def _probe(self) -> Probe:
        return probed(self.model, self.inputs)

    def may_be_map(self, shape: Sequence[int]) -> bool:
        """Whether a tensor has the axes of a map with more than one place, and the input's aspect where it has all of them."""
        rank, shape = len(self.space), tuple(shape)
        if len(shape) < 2 or shape[0] != self.rows or rank == 0:
            return False
        if len(shape) == rank + 2 and rank > 1:
            grids = (shape[2:], shape[1:-1])
            return any(max(grid) > 1 and keeps_aspect(grid, self._inside) for grid in grids)
        return len(shape) == 3 and max(shape[1:]) > 1 if rank == 1 else len(shape) == 3 and min(shape[1:]) > 1

    def readings(self, name: str, path: Path, shape: Sequence[int], turn: int = 1) -> Readings:
        """All ways to read what a module returned at one of its calls; none where it is no map.

        Args:
            shape: of the tensor.
        """
        shape, rank = tuple(shape), len(self.space)
        if len(shape) < 2 or shape[0] != self.rows or rank == 0 or len(shape) not in (3, rank + 2):
            return Readings()
        if len(shape) == rank + 2 and self._is_clear(name, shape):
            return Readings((self._turned(Layout()),), True)
        key = (self.shape[1:], self.stated, name, path, turn, shape[1:])
        remembered = _readings.setdefault(self.model, {})
        if key not in remembered:
            where = (name, path, turn, shape[1:])
            told = self._told(lambda probe: probe.layout(*where, *self._inside_of(probe)))
            if (
                told is None
                and len(shape) == rank + 2
                and self._probe.holds_tokens(*where, *self._inside_of(self._probe))
            ):
                told = Readings()
            remembered[key] = told or self._by_shape(shape)
        return remembered[key]

    def _is_clear(self, name: str, shape: tuple[int, ...]) -> bool:
        """Whether it can only be channels first."""
        module, inside = dict(self.model.named_modules()).get(name), self._inside
        if len(inside) == 1:
            return isinstance(module, nn.Conv1d) and max(*module.kernel_size, *module.stride) > 1
        others = (axes for axes in permutations(range(1, len(shape)), len(inside)) if 1 in axes)
        is_like = keeps_aspect(shape[2:], inside) and not takes_any_axes(module)
        return is_like and not any(keeps_aspect(tuple(shape[axis] for axis in axes), inside) for axes in others)

    @property
    def _inside(self) -> tuple[int, ...]:
        """The input's space in the order of maps inside the model."""
        order = self.input_axes.order
        return tuple(self.space[order.index(place)] for place in range(len(order)))

    def _turned(self, layout: Layout) -> MapLayout:
        """A layout of maps inside the model, in the order of the input's space."""
        if not self.input_axes.is_turned:
            return layout
        start = 2 if layout.kind == "channels_first" else 1
        channels = 1 if start == 2 else len(self.space) + 1
        return plain(Axes(channels, tuple(start + place for place in self.input_axes.order)))

    def _told(self, told: Callable[[Probe], MapLayout | None]) -> Readings | None:
        """What the probe tells; where the forward draws random numbers, what a second one tells too."""
        layout = told(self._probe)
        if self._probe.drew:
            same = layout is not None and told(probed(self.model, self.inputs, draw=2)) == layout
            return Readings((layout,), True) if layout is not None and same else Readings()
        return None if layout is None else Readings((layout,), True)

    def _inside_of(self, probe: Probe) -> tuple[tuple[int, ...], Source | None]:
        """The order of axes inside the model, and a probe's input as a source."""
        axes = as_axes(self.input_layout, len(self.shape))
        source = None if probe.leaf is None or axes is None else Source(probe.leaf, axes.channels, axes.space_axes)
        return self.input_axes.order, source

    def _by_shape(self, shape: tuple[int, ...]) -> Readings:
        """What a shape alone may mean."""
        space, inside = self.space, self._inside
        if len(shape) == len(space) + 2 and len(space) > 1:
            layout = infer(shape, inside)
            return Readings() if layout is None else Readings((self._turned(layout),), True)
        if len(space) == 1:
            return Readings((Layout("channels_first"), Layout("channels_last")))
        if shape[2] == 1:
            return Readings()
        if len(space) == 2 and keeps_aspect(shape[1:], space):  # it may be a map without channels
            return Readings((Axes(None, (1, 2)),))
        hint = getattr(self.model, "num_prefix_tokens", None)
        grids = self._probe.grids(self.input_axes.order)
        prefix = hint if isinstance(hint, int) else None
        layouts = token_readings(shape[1], space, grids, prefix)
        return Readings(layouts, prefix is not None and [one.prefix for one in layouts] == [prefix])

    def layout(self, name: str, path: Path, shape: Sequence[int], turn: int = 1) -> MapLayout | None:
        """The one way to read a tensor; None where there is none, or more than one."""
        return self.readings(name, path, shape, turn).layout

    def tokens(self, name: str, count: int) -> MapLayout | None:
        """Of the tokens that attend to each other in a module, by what it returned; None where that does not tell."""
        key = (self.shape[1:], self.stated, name, count)
        remembered = _readings.setdefault(self.model, {})
        if key not in remembered:
            told = self._told(lambda probe: probe.tokens(name, count, *self._inside_of(probe)))
            remembered[key] = told or self._by_shape((1, count, 2))
        return remembered[key].layout

    def at(self, tap: Tap, path: Path, shape: Sequence[int], turn: int = 1) -> MapLayout:
        """Of the tensor at a tap. Raises TapError where it is no map, or may be several."""
        if tap.is_given:
            return self.input_layout
        shape = tuple(shape)
        stated = None if tap.layout is None else tap.layout.layout(shape, self.space)
        if stated is not None and len(stated.space(shape)) == len(self.space):
            return stated
        readings = self.readings(tap.name, path, shape, turn) if tap.layout is None else Readings()
        if readings.layout is not None:
            return readings.layout
        reason = self._reason(tap, shape, readings.layouts)
        raise TapError(f"layer {tap} returned {shape} for inputs {self.shape}: {reason}")

    def _reason(self, tap: Tap, shape: tuple[int, ...], layouts: Sequence[MapLayout]) -> str:
        if len(shape) > 1 and shape[0] > self.rows and shape[0] % self.rows == 0 and tap.layout is None:
            return (
                f"expected a row a sample, got {shape[0] // self.rows}; where these are the views or frames of one, in inputs "
                f"(N, views, ...), name '{tap.name}/views' (fold: views), which has a map a view"
            )
        if layouts:
            ways = " or ".join(spelled(layout, shape) for layout in layouts[:MOST])
            return f"expected to know which axis is what, got {shape}, which may be {ways}; say which as layout"
        if tap.layout is not None:
            sides = (
                "" if len(self.space) == 2 else f", and a map of {len(self.space)} sides (input_layout says which axes)"
            )
            return f"expected what its layout says, {tap.layout}{sides}; name another layer, or another layout"
        if not self.space:
            return "expected an input with axes of space; say which they are as input_layout, such as channels_first"
        if len(shape) == 3 and self._probe.drew:
            return (
                "expected the same tokens in every forward, got a drawing of them; take a layer before they are drawn"
            )
        return (
            "expected a map (N, C, ...), a channels-last map, or tokens with a grid; name another layer, or an index such "
            f"as '{tap.name}[0]', or a layout"
        )
