"""The further passes of one question: what :class:`xaikit.view.View` hands on to the engine."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.config import Precision, Reduce
from xaikit.draws import SampleGenerator
from xaikit.engine.reruns.block_attention import block_attention
from xaikit.engine.reruns.deeplift import multipliers
from xaikit.engine.reruns.head import head_of
from xaikit.engine.reruns.hessian import hessian_product
from xaikit.engine.reruns.replay import FULL, Replay
from xaikit.engine.reruns.rescore import OutputCache, Scorer, rescore
from xaikit.evidence.attention import Attention
from xaikit.evidence.nests import tensors_in
from xaikit.evidence.observe import Tally, observe
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.explanation import RemarkCounts
from xaikit.needs import Needs
from xaikit.targets import Pinned
from xaikit.view import Make, View


@dataclass(frozen=True)
class Setting:
    """What the further passes of one question have in common.

    trace  of the clean pass, narrowed to the question: one target and its taps
    kept   outputs for re-run variants that other questions ask for too
    reduce what is made of weighed channels
    """

    model: nn.Module
    trace: Trace
    needs: Needs
    output: str | int
    precision: Precision
    tally: Tally
    draw: Callable[[], SampleGenerator]
    kept: OutputCache | None = None
    reduce: Reduce = "sum"

    @property
    def pinned(self) -> Pinned:
        """The target."""
        return self.trace.pinned[0]

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Where the question is asked."""
        return tuple(self.trace.activations)

    def observe(self, inputs: Any, taps: tuple[Tap, ...], instead: dict[Tap, Any] | None = None) -> Trace:
        """One more pass for the pinned target alone."""
        self.tally.reruns += 1
        return observe(
            self.model,
            inputs,
            taps,
            lambda _: [self.pinned],
            gradients=bool(self.needs.gradients),
            output=self.output,
            tally=self.tally,
            substitutes=instead,
        )


@dataclass(frozen=True)
class Passes:
    """The further passes of one question at one tap.

    noted  what there is to say about them
    turns  counts the calls of ``rescore``
    reduced  how often channels were reduced
    """

    setting: Setting
    tap: Tap
    rerun: Callable[[Any], Trace]
    noted: list[RemarkCounts] = field(default_factory=list)
    turns: Iterator[int] = field(default_factory=itertools.count)
    reduced: list[int] = field(default_factory=list)

    def view(self, trace: Trace) -> View:
        """A view of a trace at this tap."""
        setting = self.setting
        return View(trace, self.tap, setting.needs, setting.model, setting.draw, self, self._reduce)

    def _reduce(self) -> Reduce:
        self.reduced.append(1)
        return self.setting.reduce

    def retrace(self, inputs: Any) -> View:
        """See the view's method of that name; so for all below."""
        return self.view(self.rerun(inputs))

    def retrace_with(self, activations: Tensor) -> View:
        place = self.setting.trace.places[self.tap]

        def put(original: Tensor) -> Tensor:
            return place.layout.from_map(activations, original).to(original.dtype, copy=True)

        return self.view(self.setting.observe(self.setting.trace.inputs, (self.tap,), {self.tap: put}))

    def rescore(self, count: int, make: Make, probabilities: bool) -> Tensor:
        turn = (self.tap, next(self.turns))
        return rescore(self.scorer(), count, make, probabilities, self.setting.kept, turn)

    def rescore_with(self, count: int, make: Make) -> Tensor:
        return self.replay().scores(count, make)

    def hvp(self, vector: Tensor) -> Tensor:
        setting, trace = self.setting, self.setting.trace
        place = trace.places[self.tap]
        return hessian_product(
            setting.model, trace.inputs, self.tap, place, setting.pinned, vector, setting.output, setting.tally
        )

    def multipliers(self) -> Tensor:
        setting, trace = self.setting, self.setting.trace
        place, activations = trace.places[self.tap], trace.activations[self.tap]
        return multipliers(
            setting.model, trace.inputs, self.tap, place, setting.pinned, activations, setting.output, setting.tally
        )

    def head(self) -> Tensor:
        trace = self.setting.trace
        return head_of(self.setting.model, self.tap, trace.activations[self.tap], trace.output, self.setting.pinned)

    def block_attention(self) -> tuple[Attention, ...]:
        setting = self.setting
        return block_attention(setting.model, setting.trace, setting.pinned, setting.output, setting.tally)

    def scorer(self) -> Scorer:
        """What scores variants for the pinned target."""
        setting = self.setting
        return Scorer(
            setting.model,
            setting.trace.inputs,
            setting.pinned,
            setting.output,
            setting.tally,
            setting.precision,
            lambda size: self._note(f"out of memory: chunks halved to {size}"),
        )

    def replay(self) -> Replay:
        """What replays variants at this tap."""
        trace = self.setting.trace
        return Replay(
            self.scorer(),
            self.tap,
            trace.places[self.tap],
            trace.activations[self.tap],
            trace.scores,
            _largest(trace.output, trace.scores),
            lambda: self._note(FULL),
        )

    def _note(self, reason: str) -> None:
        samples = len(self.setting.trace.scores)
        self.noted.append(RemarkCounts(str(self.tap), reason, torch.ones(samples, dtype=torch.long), counted=False))


def _largest(output: Any, scores: Tensor) -> Tensor:
    """The largest finite magnitude of an output and its scores: a score may be a sum over many places of it."""
    told = [scores, output] if isinstance(output, Tensor) and output.is_floating_point() else [scores]
    return torch.stack([torch.nan_to_num(one, 0.0, 0.0, 0.0).abs().amax().to(scores.dtype) for one in told]).amax()


class Reruns:
    """The further passes of one question. Its taps draw the same numbers, so they ask for the same inputs: run once."""

    def __init__(self, run: Callable[[Any], Trace], shared: bool) -> None:
        self._run = run
        self._shared = shared
        self._passes: list[tuple[Any, Trace]] = []

    def of_one_tap(self) -> Callable[[Any], Trace]:
        """A function from inputs to their trace, to be called by one tap in its own order."""
        asked = iter(range(sys.maxsize))

        def rerun(inputs: Any) -> Trace:
            turn = next(asked)
            if turn < len(self._passes) and _same(self._passes[turn][0], inputs):
                return self._passes[turn][1]
            trace = self._run(inputs)
            if self._shared and turn == len(self._passes):
                self._passes.append((inputs, trace))
            return trace

        return rerun


def _same(one: Any, other: Any) -> bool:
    """Equal inputs, to the bit."""
    pairs = zip(tensors_in(one), tensors_in(other), strict=True)
    return all(path == place and torch.equal(mine, theirs) for (path, mine), (place, theirs) in pairs)
