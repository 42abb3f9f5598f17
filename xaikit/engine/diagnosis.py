"""Why a map is dead: named reasons instead of a black picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.explanation import RemarkCounts
from xaikit.finish import Rectifier
from xaikit.needs import Needs
from xaikit.plain.remarks import (
    ALL_NEGATIVE,
    CONSTANT,
    NEGATIVE_GRADIENTS,
    NOT_FINITE,
    ONE_PLACE,
    ZERO_ACTIVATIONS,
    ZERO_GRADIENTS,
    ZERO_HALF_GRADIENTS,
    ZERO_MAP,
)

ANY: Literal["any"] = "any"
"""In place of a rectifier: the remarks hold for any. See :func:`xaikit.plain.remarks.holds_for`."""


Rectified = Rectifier | Literal["any"] | None


class Evidence:
    """What diagnoses ask of a trace, each looked up once for all requests: (N, T), or (N, 1)."""

    def __init__(self, trace: Trace) -> None:
        self._activations = cache(lambda tap: _range(trace.activations[tap].unsqueeze(1)))
        self._gradients = cache(lambda tap: _range(trace.gradients[tap]))
        self.is_half = cache(lambda tap: trace.gradients[tap].dtype == torch.float16)

    def zero_activations(self, tap: Tap) -> Tensor:
        """(N, 1)"""
        return _zero(*self._activations(tap))

    def zero_gradients(self, tap: Tap, columns: slice) -> Tensor:
        """(N, T)"""
        return _zero(*self._gradients(tap))[:, columns]

    def elsewhere(self, tap: Tap, taps: Sequence[Tap], columns: slice) -> Tensor:
        """Where the score is of another of these layers and not of this one, (N, T)."""
        others = [~self.zero_gradients(other, columns) for other in taps if other.is_hooked]
        return self.zero_gradients(tap, columns) & torch.stack(others).any(0)

    def negative_gradients(self, tap: Tap, columns: slice) -> Tensor:
        """Where none is positive, (N, T)."""
        return (self._gradients(tap)[1] <= 0)[:, columns]


def diagnose(
    evidence: Evidence,
    tap: Tap,
    columns: slice,
    raw: Tensor,
    needs: Needs,
    rectify: Rectified,
    silent: Tensor | None = None,
) -> Iterator[RemarkCounts]:
    """One note for every reason that holds for some sample; how many of its targets it holds for is the count.

    Args:
        raw: the raw map (N, T, *S).
        rectify: of the finish; with ``"any"`` what is negative all over is noted for those who rectify, beside
            what else there is to say.
        silent: where (N, T) there is nothing to say, as a sample has no target.
    """
    if tap.is_hooked and raw.shape[2:].numel() == 1:
        yield RemarkCounts(str(tap), ONE_PLACE, torch.ones(len(raw), dtype=torch.long), counted=False)
    low, high = _range(raw)
    unfinished = ~(low.isfinite() & high.isfinite())
    black = high <= 0 if rectify == ANY else _black(raw, rectify, low, high)
    even = (low == high) & (raw.shape[2:].numel() > 1)  # one cell alone is no even map
    dead = even | black | unfinished
    if silent is not None:
        silent = silent.to(raw.device)
        dead, unfinished = dead & ~silent, unfinished & ~silent
    # on a CPU the answer is at hand, elsewhere it would be waited for
    if dead.device.type == "cpu" and not bool(dead.any()):
        return
    left = dead & ~unfinished
    yield _remark(tap, NOT_FINITE, unfinished)
    for reason, holds in _reasons(evidence, tap, columns, needs, low, high, black, even):
        holds = left & holds
        if not (rectify == ANY and reason == ALL_NEGATIVE):
            left = left & ~holds
        yield _remark(tap, reason, holds)


def _reasons(
    evidence: Evidence, tap: Tap, columns: slice, needs: Needs, low: Tensor, high: Tensor, black: Tensor, even: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """From the most specific on; the first that holds is given."""
    zero = _zero(low, high)
    if tap.is_hooked:  # else there is no layer whose activations could be zero
        yield ZERO_ACTIVATIONS, evidence.zero_activations(tap)
    if needs.gradients and tap.is_hooked:
        reason = ZERO_HALF_GRADIENTS if evidence.is_half(tap) else ZERO_GRADIENTS
        yield reason, evidence.zero_gradients(tap, columns)
        # of a method that keeps positive gradients only
        yield NEGATIVE_GRADIENTS, zero & evidence.negative_gradients(tap, columns)
    yield ALL_NEGATIVE, black & (low < 0)
    yield ZERO_MAP, zero
    yield CONSTANT, even


def _black(raw: Tensor, rectify: Rectifier | None, low: Tensor, high: Tensor) -> Tensor:
    """Where nothing is left after rectifying, (N, T)."""
    return _zero(low, high) if rectify is None else _zero(*_range(rectify.rectify(raw)))


def _range(evidence: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest of every sample and target, (N, T, ...) to (N, T) twice; NaN where one is."""
    flat = evidence.flatten(2)
    return flat.amin(-1), flat.amax(-1)  # on a CPU twenty times faster than aminmax


def _zero(low: Tensor, high: Tensor) -> Tensor:
    return (low == 0) & (high == 0)


def _remark(tap: Tap, reason: str, holds: Tensor) -> RemarkCounts:
    return RemarkCounts(str(tap), reason, holds.sum(1), counted=holds.shape[1] > 1)
