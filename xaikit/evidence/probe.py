"""One more forward of one sample, made once for a model, to see which axis of a tensor is which of the input's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.axes.arrangement import arrangement, lie_in_one_axis, of_grids
from xaikit.axes.local_attention import LocalAttention
from xaikit.axes.modules import RECEIVED, RETURNED, WEAKLY, like_a_source, note
from xaikit.axes.numbers import Source, is_made_of
from xaikit.axes.order import input_axes
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call
from xaikit.evidence.hooks import Cut, hooked, named
from xaikit.layouts import Axes, MapLayout
from xaikit.passes.nests import Path, first_tensor, mapped, rows, sample_paths, tensors_in
from xaikit.passes.weights import on_usable_weights

FEW = 4
"""How many tensors that look alike are tried."""


@dataclass(frozen=True)
class Returned:
    """One call of a module: the tensors it returned by their way, and its turn among all that was recorded."""

    name: str
    tensors: dict[Path, Tensor]
    turn: int


@dataclass
class Probe:
    """What one forward showed, in which no token attends to another.

    leaf      the (first) input; None where it is no floating-point tensor
    strong    tensors of which their module tells which axis is what, in order; weak: it probably tells
    consumed  what such modules received
    grids     the spatial shapes that modules of maps returned
    drew      whether the forward drew random numbers
    """

    leaf: Tensor | None
    strong: list[Source] = field(default_factory=list)
    weak: list[Source] = field(default_factory=list)
    consumed: list[Source] = field(default_factory=list)
    consumed_weakly: list[Source] = field(default_factory=list)
    returned: list[Returned] = field(default_factory=list)
    received: list[tuple[int, Tensor]] = field(default_factory=list)
    drew: bool = False
    turns: int = 0

    def input_axes(self) -> tuple[Axes, tuple[int, ...]] | None:
        """See :func:`xaikit.axes.order.input_axes`."""
        if self.leaf is None:
            return None
        for source in (*self.consumed[:FEW], *self.consumed_weakly[:FEW]):
            if source.tensor.requires_grad and (axes := input_axes(self.leaf, source)) is not None:
                return axes
        return None

    def layout(
        self, name: str, path: Path, turn: int, shape: Sequence[int], order: Sequence[int], leaf: Source | None
    ) -> MapLayout | None:
        """How the tensor is arranged that a module returned at one of its calls.

        Args:
            shape: of the tensor in the pass itself, without its first axis.
            order: for each axis of the input's space, its place among the axes of maps inside the model.
            leaf: the input as a source.
        """
        one = self._call(name, path, turn, shape)
        return None if one is None else self._arranged(one.tensors[path], one.turn, order, leaf)

    def _call(self, name: str, path: Path, turn: int, shape: Sequence[int]) -> Returned | None:
        """That returned such a tensor."""
        one = next(islice((call for call in self.returned if call.name == name), turn - 1, None), None)
        return one if one and path in one.tensors and one.tensors[path].shape[1:] == tuple(shape) else None

    def holds_tokens(
        self, name: str, path: Path, turn: int, shape: Sequence[int], order: Sequence[int], leaf: Source | None
    ) -> bool:
        """Whether a tensor with as many axes as a map has tokens along one, as those of heads and attention have."""
        grids, one = self.grids(order), self._call(name, path, turn, shape)
        if len(order) < 2 or one is None or tuple(shape[1:]) in grids:
            return False
        sequences = (tensor.shape[1] for _, tensor in self.received if tensor.dim() == 3)
        if not of_grids(sequences, grids).isdisjoint(shape[1:]):
            return True
        strong = [source for source in self._ordered(self.strong, order) if source.turn <= one.turn]
        return lie_in_one_axis(one.tensors[path], strong if leaf is None else [leaf, *strong], len(order))

    def tokens(self, name: str, count: int, order: Sequence[int], leaf: Source | None) -> MapLayout | None:
        """How so many tokens are arranged that a module returned: samples first, tokens first or tokens alone."""
        for one in self.returned:
            for tensor in one.tensors.values() if one.name == name else ():
                batch = tensor.unsqueeze(0) if tensor.dim() == 2 else tensor
                for tokens in (batch, batch.transpose(0, 1)) if batch.dim() == 3 else ():
                    if tokens.shape[:2] == (1, count):
                        return self._arranged(tokens, one.turn, order, leaf)
        return None

    def _arranged(self, target: Tensor, turn: int, order: Sequence[int], leaf: Source | None) -> MapLayout | None:
        """By what it was made of; else by that of which an earlier tensor of its shape was made."""
        leaves, strong = [] if leaf is None else [leaf], self._ordered(self.strong, order)
        if len(order) == 1 and (like := like_a_source(target, [one for one in strong if one.turn <= turn])):
            return like
        alike = [(before, one) for before, one in self.received if one.shape == target.shape and before < turn]
        for last, tensor in [(turn, target), *alike[:FEW]]:
            layout = arrangement(tensor, [*leaves, *(one for one in strong if one.turn <= last)], len(order), leaf)
            if layout is not None and is_made_of(target, tensor):
                return layout
        weak = [one for one in self.weak if one.turn <= turn] if len(order) == 1 else []
        return arrangement(target, weak, 1) or like_a_source(target, weak)

    def _ordered(self, sources: Sequence[Source], order: Sequence[int]) -> list[Source]:
        return [
            Source(one.tensor, one.channels, tuple(one.cells[place] for place in order), one.turn)
            for one in sources
            if len(one.cells) == len(order)
        ]

    def grids(self, order: Sequence[int]) -> list[tuple[int, ...]]:
        """The spatial shapes of the maps that modules returned, the last first, each once."""
        shapes = [
            tuple(one.tensor.shape[axis] for axis in one.cells) for one in reversed(self._ordered(self.strong, order))
        ]
        return list(dict.fromkeys(shapes))


def probed(model: nn.Module, inputs: Any, draw: int = 1) -> Probe:
    """A forward of the first sample.

    Args:
        draw: how many forwards are made, the last of which is shown: where they draw, each draws other numbers.
    """
    row = torch.zeros(1, dtype=torch.long)
    try:
        return _probed(model, rows(inputs, row), draw)
    except Exception:
        others = sample_paths(inputs)[1:]
        if not others:
            raise
        # they may have no row a sample, however long they are
        return _probed(model, rows(inputs, row, others), draw)


def _probed(model: nn.Module, one: Any, draw: int) -> Probe:
    with undisturbed(model), torch.enable_grad(), torch.autocast(first_tensor(one).device.type, enabled=False):
        try:
            for _ in range(draw):
                probe = on_usable_weights(model, lambda: _forward(model, one))
        except Exception as error:
            error.add_note(
                "raised in a forward of the first sample alone, which shows which axis of a tensor is what; stated as layout "
                "and input_layout, that needs no such forward"
            )
            raise
        return probe


def _forward(model: nn.Module, inputs: Any) -> Probe:
    first = first_tensor(inputs)
    leaf = first.detach().clone().requires_grad_() if first.is_floating_point() else None
    probe = Probe(leaf)
    inputs = mapped(lambda one: (leaf if one is first and leaf is not None else one.detach()).clone(), inputs)

    cut = Cut(differentiate=True)

    def enter(name: str, module: nn.Module, args: Any) -> None:
        cut.leave_inference_mode()
        probe.turns += 1
        probe.received.extend((probe.turns, tensor) for _, tensor in tensors_in(args))
        first = next((tensor for _, tensor in tensors_in(args)), None)
        note(module, first, probe.turns, RECEIVED, probe.consumed)
        note(module, first, probe.turns, WEAKLY, probe.consumed_weakly)

    def leave(name: str, module: nn.Module, args: Any, output: Any) -> None:
        cut.leave_inference_mode()
        probe.turns += 1
        tensors = dict(tensors_in(output))
        probe.returned.append(Returned(name, tensors, probe.turns))
        probe.received.extend((probe.turns, tensor) for tensor in tensors.values())
        first = next(iter(tensors.values()), None)
        note(module, first, probe.turns, RETURNED, probe.strong)
        note(module, first, probe.turns, WEAKLY, probe.weak)

    before = _random_state(first.device)
    with cut.modes(True), hooked(named(model), leave, enter), LocalAttention(model):
        call(model, inputs)
    probe.drew = any(
        not torch.equal(one, other) for one, other in zip(before, _random_state(first.device), strict=True)
    )
    return probe


def _random_state(device: torch.device) -> list[Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]
