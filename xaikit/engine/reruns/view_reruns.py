"""The further passes of one method at one tap: what :class:`xaikit.view.View` asks of the engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from xaikit._numeric import on_host
from xaikit.draws import SampleGenerator
from xaikit.engine.context import PassContext
from xaikit.engine.reruns.block_attention import block_attention
from xaikit.engine.reruns.deeplift import multipliers
from xaikit.engine.reruns.head import head_of
from xaikit.engine.reruns.hessian import hessian_product
from xaikit.engine.reruns.replay import Replay
from xaikit.engine.reruns.rescore import OutputCache, rescore
from xaikit.evidence.attention import Attention
from xaikit.evidence.hooks import Substitute
from xaikit.evidence.observe import observe
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.needs import Needs
from xaikit.passes.nests import first_tensor, tensors_in
from xaikit.view import Make, Reduction, View

T = TypeVar("T")


class RetraceCache:
    """The further traces of one method, by turn. Its taps draw the same numbers, so they ask for the same inputs: run once.

    Args:
        shared: whether there are several taps, so that anything is kept.
    """

    def __init__(self, shared: bool) -> None:
        self._shared = shared
        self._traces: list[tuple[Any, Trace]] = []
        self._may_wait = False
        self._unseen: list[Tensor] = []

    def at_tap(self, work: Callable[[], T]) -> T:
        """What one tap makes of its traces.

        Off the CPU inputs are taken to be the same until the tap is done, so that the device is waited for once and not for every
        trace; where they were not, it is done once more.
        """
        try:
            result = work()
        except Exception:
            if not self._was_mistaken():
                raise
        else:
            if not self._was_mistaken():
                return result
        self._may_wait = True
        try:
            return work()
        finally:
            self._may_wait = False

    def _was_mistaken(self) -> bool:
        differ, self._unseen = self._unseen, []
        return any(on_host(differ))

    def _is_of(self, before: Any, inputs: Any) -> bool:
        if self._may_wait or first_tensor(inputs).device.type == "cpu":
            return _equal(before, inputs)
        if not _alike(before, inputs):
            return False
        pairs = zip(tensors_in(before), tensors_in(inputs), strict=True)
        self._unseen += [(tensor != other).any() for (_, tensor), (_, other) in pairs]
        return True

    def trace(self, turn: int, inputs: Any, run: Callable[[], Trace]) -> Trace:
        """Of what one tap asked for in its turn."""
        if turn < len(self._traces) and self._is_of(self._traces[turn][0], inputs):
            return self._traces[turn][1]
        trace = run()
        if self._shared and turn == len(self._traces):
            self._traces.append((inputs, trace))
        return trace


@dataclass(frozen=True)
class ViewReruns:
    """See the methods of the view of the same names.

    retraces  shared by the taps of the method
    outputs   for variants that other methods ask for too
    """

    context: PassContext
    needs: Needs
    draw: Callable[[], SampleGenerator]
    retraces: RetraceCache
    outputs: OutputCache | None = None
    reduction: Reduction = field(default_factory=Reduction)
    _retrace_turns: Iterator[int] = field(default_factory=itertools.count)
    _rescore_turns: Iterator[int] = field(default_factory=itertools.count)

    def view(self, trace: Trace) -> View:
        """A view of a trace at this tap."""
        return View(trace, self.context.tap, self.needs, self.context.model, self.draw, self, self.reduction)

    def retrace(self, inputs: Any) -> View:
        taps = tuple(self.context.trace.activations)
        return self.view(self.retraces.trace(next(self._retrace_turns), inputs, lambda: self._observe(inputs, taps)))

    def retrace_with(self, activations: Tensor) -> View:
        context = self.context

        def put(original: Tensor) -> Tensor:
            return context.place.layout.from_map(activations, original).to(original.dtype, copy=True)

        return self.view(self._observe(context.inputs, (context.tap,), {context.tap: put}))

    def _observe(self, inputs: Any, taps: tuple[Tap, ...], substitutes: dict[Tap, Substitute] | None = None) -> Trace:
        """One more pass for the pinned target alone."""
        context = self.context
        context.tally.reruns += 1
        return observe(
            context.model,
            inputs,
            taps,
            lambda _: [context.pinned],
            gradients=bool(self.needs.gradients),
            readout=context.readout,
            tally=context.tally,
            substitutes=substitutes,
            input_layout=context.trace.input_layout,
        )

    def rescore(self, count: int, make: Make, probabilities: bool) -> Tensor:
        turn = (self.context.tap, next(self._rescore_turns))
        return rescore(self.context, count, make, probabilities, self.outputs, turn)

    def rescore_with(self, count: int, make: Make) -> Tensor:
        return Replay(self.context).scores(count, make)

    def hvp(self, vector: Tensor) -> Tensor:
        return hessian_product(self.context, vector)

    def multipliers(self) -> Tensor:
        return multipliers(self.context)

    def head(self) -> Tensor:
        return head_of(self.context)

    def block_attention(self) -> tuple[Attention, ...]:
        return block_attention(self.context)


def _alike(inputs: Any, others: Any) -> bool:
    """Whether they are nested alike, in tensors of the same shapes and devices."""
    one, other = (
        [(path, tensor.shape, tensor.device) for path, tensor in tensors_in(each)] for each in (inputs, others)
    )
    return one == other


def _equal(inputs: Any, others: Any) -> bool:
    """Equal inputs, to the bit."""
    pairs = zip(tensors_in(inputs), tensors_in(others), strict=True)
    return all(path == place and torch.equal(tensor, other) for (path, tensor), (place, other) in pairs)
