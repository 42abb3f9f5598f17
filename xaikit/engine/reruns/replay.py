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
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xaikit.engine.reruns.chunks import is_out_of_memory, rows_of_activations, rows_of_inputs
from xaikit.engine.reruns.rescore import Scorer, apart, repeated
from xaikit.errors import TapError
from xaikit.evidence import hooks
from xaikit.evidence.forward import laid_out
from xaikit.evidence.nests import first_tensor, rows
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Place
from xaikit.targets import Pinned
from xaikit.view import Make

WAYS = ("joint", "each", "full", "single")


TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 3e-2}
"""Of the largest number of the output: what another batch size may change. A tail that is cut in the wrong place is off
by far more."""


FEWEST_PLACES = 64
"""Behind smaller maps there is pooling more than convolution, and laying the variants out anew costs more than it gains."""


FULL = "replayed by passes of the whole model: the tail alone does not give the true score"


class Untrue(Exception):
    """A way of replaying that does not give the true score."""


@dataclass(frozen=True)
class Replay:
    """Replays at one tap.

    activations  the true ones, (N, C, *S)
    truth        the true scores, (N, T)
    scale        the largest magnitude of the output, in which differences are measured: a score may be near zero
    fell_back    is told where only passes of the whole model gave the true score
    """

    scorer: Scorer
    tap: Tap
    place: Place
    activations: Tensor
    truth: Tensor
    scale: Tensor
    fell_back: Callable[[], None] = lambda: None

    def scores(self, count: int, make: Make) -> Tensor:
        """See :meth:`xaikit.view.View.rescore_with`.

        Raises:
            TapError: no way gives the true score, as where an operation in place behind the tap is not idempotent.
        """
        size = max(1, rows_of_activations(self.activations[:1]) // self.scorer.samples)
        for way in self._ways():
            if way == "full":
                self.fell_back()
                size = max(1, min(size, rows_of_inputs(first_tensor(self.scorer.inputs)[:1]) // self.scorer.samples))
            try:
                return self._by(way, count, 1 if way == "single" else size, make)
            except Untrue:
                continue
        raise self._untrue()

    def way(self) -> str:
        """The cheapest way that gives the true score, for the plan. Costs a pass for every way that is tried."""
        for way in self._ways():
            try:
                self._check_alone(way)
            except Untrue:
                continue
            return way
        raise self._untrue()

    def _ways(self) -> list[str]:
        return [way for way in WAYS if way != "each" or self.scorer.samples > 1]

    def _untrue(self) -> TapError:
        return TapError(
            f"layer {self.tap}: cannot be replayed: putting its own activations in its place does not give the true "
            "score; name the layer behind it"
        )

    def _by(self, way: str, count: int, size: int, make: Make) -> Tensor:
        alone = way == "single" or self.scorer.precision != "float32"
        if alone:
            self._check_alone(way)

        def work(part: slice) -> Tensor:
            variants = make(part)
            if alone or part.start > 0:
                return self._pass(way, [variants])
            found = self._first(way, [self._true, variants])
            self._check(found[..., :1])
            return found[..., 1:]

        return self.scorer.in_chunks(count, size, work)

    @property
    def _true(self) -> Tensor:
        return self.activations.unsqueeze(1)

    def _check_alone(self, way: str) -> None:
        """By a pass of its own, without autocast."""
        self._check(self._first(way, [self._true] * (1 if way == "single" else 2), exact=True))

    def _check(self, found: Tensor) -> None:
        truth = self.truth.to(found.dtype).unsqueeze(2)
        near = (found - truth).abs() <= TOLERANCES.get(self.truth.dtype, 1e-4) * self.scale
        same = (found == truth) | near | (found.isnan() & truth.isnan())
        if not bool(same.all()):
            raise Untrue

    def _first(self, way: str, parts: list[Tensor], exact: bool = False) -> Tensor:
        """The first pass of a way: whatever it raises, another way may do."""
        try:
            return self._pass(way, parts, exact)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            if way == WAYS[-1]:
                raise
            raise Untrue from error

    def _pass(self, way: str, parts: list[Tensor], exact: bool = False) -> Tensor:
        """The scores (N, T, m) of variants (N, m, C, *S), which come in parts."""
        samples, each = self.scorer.samples, sum(part.shape[1] for part in parts)
        scorer = self.scorer
        if way == "single":
            ones = [part[:, place : place + 1] for part in parts for place in range(part.shape[1])]
            return torch.cat([self._run(scorer.inputs, [one], scorer.pinned, exact) for one in ones], 2)
        if way == "each":
            return torch.cat(
                [self._of_one(row, [part[row : row + 1] for part in parts], exact) for row in range(samples)]
            )
        index = repeated(samples, each)
        inputs = rows(scorer.inputs, index) if way == "full" else scorer.inputs
        return self._run(inputs, parts, self._pinned(index), exact)

    def _of_one(self, row: int, parts: list[Tensor], exact: bool) -> Tensor:
        each = sum(part.shape[1] for part in parts)
        pinned = self._pinned(torch.full((each,), row))
        return self._run(rows(self.scorer.inputs, torch.tensor([row])), parts, pinned, exact)

    def _pinned(self, index: Tensor) -> Pinned:
        pinned = self.scorer.pinned_of(index)
        if pinned is None:
            raise Untrue
        return pinned

    def _run(self, inputs: Any, parts: list[Tensor], pinned: Pinned, exact: bool) -> Tensor:
        place, model = self.place, self.scorer.model

        def run(memory: torch.memory_format) -> Tensor:
            def put(original: Tensor) -> Tensor:
                # gathered here, where inference mode is left: an operation in place behind the tap needs a plain tensor
                return place.layout.from_map(gathered(parts, memory), original).to(original.dtype)

            with hooks.substituted(model, self.tap, place.path, place.turn, put):
                return self.scorer.score(self.scorer.run(inputs, exact=exact), pinned, exact=exact)

        each = sum(part.shape[1] for part in parts)
        if parts[0][0, 0, 0].numel() < FEWEST_PLACES:
            return apart(run(torch.preserve_format), each)
        batch = parts[0].new_empty(len(parts[0]) * each, *parts[0].shape[2:], device="meta")
        return apart(laid_out(model, batch, run), each)


def gathered(parts: list[Tensor], memory: torch.memory_format) -> Tensor:
    """Variants (N, m, C, *S) in one batch (N * m, C, *S): a copy, since what lies behind may change it in place."""
    first = parts[0]
    samples, each = len(first), sum(part.shape[1] for part in parts)
    shape = (samples * each, *first.shape[2:])
    wanted = torch.contiguous_format if memory is torch.preserve_format else memory
    made = torch.empty(shape, dtype=first.dtype, device=first.device, memory_format=wanted)
    apart_by_sample, start = made.view(samples, each, *first.shape[2:]), 0
    for part in parts:
        apart_by_sample[:, start : start + part.shape[1]].copy_(part)
        start += part.shape[1]
    return made
