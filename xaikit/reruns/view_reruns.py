"""The further passes of one method at one tap: what :class:`xaikit.view.View` asks of the engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from xaikit._numeric import exact
from xaikit.draws import SampleGenerator
from xaikit.errors import ConfigError
from xaikit.evidence.attention import Attention
from xaikit.evidence.hooks import Substitute
from xaikit.evidence.observe import observe
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.needs import Needs
from xaikit.passes.memory_format import format_of
from xaikit.passes.retraces import RetraceCache
from xaikit.reruns.block_attention import block_attention
from xaikit.reruns.context import PassContext
from xaikit.reruns.deeplift import multipliers
from xaikit.reruns.gradients import gradients_of_variants
from xaikit.reruns.head import head_of
from xaikit.reruns.hessian import hessian_product
from xaikit.reruns.layers import tap_of
from xaikit.reruns.replay import Replay
from xaikit.reruns.rescore import OutputCache, rescore
from xaikit.targets import Pinned
from xaikit.view import Make, Reduction, View


@dataclass(frozen=True)
class ViewReruns:
    """See the methods of the view of the same names.

    retraces  shared by the taps of the method
    outputs   for variants that other methods ask for too
    """

    context: PassContext
    needs: Needs
    draw: Callable[[], SampleGenerator]
    retraces: RetraceCache[Trace]
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

    def at(self, layer: str) -> View:
        tap = tap_of(self.context, layer)
        trace = self._observe(self.context.inputs, (tap,))
        reruns = replace(
            self, context=replace(self.context, trace=trace, tap=tap), needs=replace(self.needs, backward=None)
        )
        return reruns.view(trace)

    def retrace_with(self, activations: Tensor) -> View:
        return self.view(self._observe_with(self.context.inputs, activations, self.context.pinned))

    def gradients_with(self, count: int, make: Make) -> Iterator[Tensor]:
        def gradients_at(inputs: Any, activations: Tensor, pinned: Pinned) -> Tensor:
            return exact(self._observe_with(inputs, activations, pinned).gradients[self.context.tap])

        return gradients_of_variants(self.context, count, make, gradients_at)

    def _observe_with(self, inputs: Any, activations: Tensor, pinned: Pinned) -> Trace:
        tap, place = self.context.tap, self.context.place

        def put(original: Tensor) -> Tensor:
            value = place.layout.from_map(activations, original)
            return value.to(original.dtype, copy=True, memory_format=format_of(original))

        return self._observe(inputs, (tap,), {tap: put}, pinned)

    def _observe(
        self,
        inputs: Any,
        taps: tuple[Tap, ...],
        substitutes: dict[Tap, Substitute] | None = None,
        pinned: Pinned | None = None,
    ) -> Trace:
        """One more pass for the pinned target alone, or for another."""
        context = self.context
        context.tally.reruns += 1
        return observe(
            context.model,
            inputs,
            taps,
            lambda _: [context.pinned if pinned is None else pinned],
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

    def multipliers(self, start: Tensor | None) -> Tensor:
        return multipliers(self.context, start)

    def picture(self, file: str) -> Tensor:
        if self.context.picture is None:
            raise ConfigError(
                f"{file}: expected a transform that says how a picture becomes what the model takes: give transform= beside the "
                "inputs, or a tensor in place of the file"
            )
        return self.context.trace.input_layout.to_map(self.context.picture(file))[0]

    def head(self) -> Tensor:
        return head_of(self.context)

    def block_attention(self) -> tuple[Attention, ...]:
        return block_attention(self.context)
