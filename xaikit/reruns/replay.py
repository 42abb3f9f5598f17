"""The tail again, from other activations at one tap.

The model runs while the tap returns the variants in place of what its module returned, so any Python forward works
and nothing is traced or split. Four ways, the cheapest first; a way is trusted when the true activation, sent along
as one more variant, gets the true score, and the next one is tried where it does not:

joint   the inputs once, N rows, while the tap returns N * m: the prefix is paid once
each    one sample after the other, one row, while the tap returns m: also where a skip adds around the tap
full    every input m times: the whole model for every variant, where something is concatenated around the tap
single  one variant after the other, N rows each: where the target can score only the samples it was pinned on
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from xaikit.errors import TapError
from xaikit.evidence.hooks import substituted
from xaikit.passes.chunks import is_out_of_memory, rows_of_activations, rows_of_inputs
from xaikit.passes.dependence import REASON
from xaikit.passes.memory_format import laid_out
from xaikit.passes.nests import first_tensor
from xaikit.passes.tolerance import is_close
from xaikit.reruns import rescore
from xaikit.reruns.context import PassContext
from xaikit.reruns.rescore import apart, inputs_of, repeated, scored_in_chunks
from xaikit.view import Make

T = TypeVar("T")


WAYS = ("joint", "each", "full", "single")


FEWEST_PLACES = 64
"""Behind smaller maps there is pooling more than convolution, and laying the variants out anew costs more than it gains."""


FULL = "replayed by passes of the whole model: the tail alone does not give the true score"


class Untrue(Exception):
    """A way of replaying that does not give the true score."""


@dataclass(frozen=True)
class Replay:
    """Replays at the tap of a context."""

    context: PassContext

    def scores(self, count: int, make: Make) -> Tensor:
        """See :meth:`xaikit.view.View.rescore_with`.

        Raises:
            TapError: no way gives the true score, as where an operation in place behind the tap is not idempotent.
        """
        context = self.context

        def scores(way: str) -> Tensor:
            size = rows_of_activations(context.activations[:1])
            if way == "single" and self._is_dependent and not context.trace.dependent:
                context.remark(REASON)
            if way == "full":
                context.remark(FULL)
                size = min(size, rows_of_inputs(first_tensor(context.inputs)[:1]))
            return self._scores(way, count, 1 if way == "single" else max(1, size // context.samples), make)

        return self._by_first_true_way(scores)

    def way(self) -> str:
        """The cheapest way that gives the true score, for the plan. Costs a pass for every way that is tried."""

        def checked(way: str) -> str:
            self._check_alone(way)
            return way

        return self._by_first_true_way(checked)

    def _by_first_true_way(self, work: Callable[[str], T]) -> T:
        for way in WAYS[-1:] if self.context.trace.dependent else WAYS:
            if way != "each" or self.context.samples > 1:
                with suppress(Untrue):
                    return work(way)
        raise TapError(
            f"layer {self.context.tap}: cannot be replayed: putting its own activations in its place does not give the true "
            "score; name the layer behind it"
        )

    def _scores(self, way: str, count: int, size: int, make: Make) -> Tensor:
        is_checked = way == "single" or self.context.precision != "float32"
        if is_checked:
            self._check_alone(way)

        def work(part: slice) -> Tensor:
            variants = make(part)
            if is_checked or part.start > 0:
                return self._pass(way, [variants])
            scores = self._first_pass(way, [self._true, variants])
            self._check(scores[..., :1])
            return scores[..., 1:]

        return scored_in_chunks(self.context, count, size, work)

    @property
    def _is_dependent(self) -> bool:
        """Whether samples depend on each other, where it has come to the last way: others take less than the whole batch."""
        context = self.context
        return context.trace.dependent or context.pinned_of(torch.arange(context.samples)) is not None

    @property
    def _true(self) -> Tensor:
        return self.context.activations.unsqueeze(1)

    def _check_alone(self, way: str) -> None:
        """By a pass of its own, without autocast."""
        alone = Replay(replace(self.context, precision="float32"))
        self._check(alone._first_pass(way, [self._true] * (1 if way == "single" else 2)))

    def _check(self, scores: Tensor) -> None:
        true = self.context.trace.scores.unsqueeze(2)
        if not is_close(scores, true.expand_as(scores), self.context.trace.output):
            raise Untrue

    def _first_pass(self, way: str, parts: list[Tensor]) -> Tensor:
        """Whatever the first pass of a way raises, another way may do."""
        try:
            return self._pass(way, parts)
        except Exception as error:
            if is_out_of_memory(error) or way == WAYS[-1]:
                raise
            raise Untrue from error

    def _pass(self, way: str, parts: list[Tensor]) -> Tensor:
        """The scores (N, T, m) of variants (N, m, C, *S), which come in parts."""
        inputs, samples, each = self.context.inputs, self.context.samples, sum(part.shape[1] for part in parts)
        if way == "single":
            ones = [part[:, place : place + 1] for part in parts for place in range(part.shape[1])]
            return torch.cat([self._single(one) for one in ones], 2)
        if way == "each":
            by_row = zip(torch.arange(samples).chunk(samples), *(part.chunk(samples) for part in parts), strict=True)
            return torch.cat([self._run(inputs_of(self.context, row), ones, row.expand(each)) for row, *ones in by_row])
        index = repeated(samples, each)
        return self._run(inputs_of(self.context, index) if way == "full" else inputs, parts, index)

    def _single(self, variant: Tensor) -> Tensor:
        """The scores (N, T, 1) of one variant (N, 1, C, *S) a sample; beside the others as they are, where that matters."""
        if not self._is_dependent:
            return self._run(self.context.inputs, [variant], None)
        rows = []
        for row in range(self.context.samples):
            batch = self._true.clone()
            batch[row] = variant[row]
            rows.append(self._run(self.context.inputs, [batch], None)[row])
        return torch.stack(rows)

    def _run(self, inputs: Any, parts: list[Tensor], index: Tensor | None) -> Tensor:
        """One pass while the tap returns the variants; ``index`` has the sample of each, None where each is its own."""
        context, place = self.context, self.context.place
        pinned = context.pinned if index is None else context.pinned_of(index)
        if pinned is None:
            raise Untrue

        def run(memory: torch.memory_format) -> Tensor:
            def put(original: Tensor) -> Tensor:
                # a copy, made here where inference mode is left: what lies behind the tap may change it in place
                batch = torch.cat(parts, 1).flatten(0, 1).to(memory_format=memory)
                return place.layout.from_map(batch, original).to(original.dtype)

            with substituted(context.model, context.tap, place.path, place.turn, put):
                return rescore.score(context, rescore.run(context, inputs), pinned)

        each = sum(part.shape[1] for part in parts)
        if parts[0][0, 0, 0].numel() < FEWEST_PLACES:
            return apart(run(torch.preserve_format), each)
        batch = parts[0].new_empty(len(parts[0]) * each, *parts[0].shape[2:], device="meta")
        return apart(laid_out(context.model, batch, run), each)
