"""Why a map is dead: named reasons instead of a black picture."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from xaikit.explanation import Noted
from xaikit.finish import Rectifier
from xaikit.layers import Tap
from xaikit.needs import Needs
from xaikit.view import Trace

NOT_FINITE = "values that are NaN or infinite"
ZERO_ACTIVATIONS = "zero activations"
ZERO_GRADIENTS = "zero gradients"
ALL_NEGATIVE = "all-negative evidence: nothing is left after rectifying"
CONSTANT = "constant map: every place matters the same"
ZERO_MAP = "zero map: the evidence cancels"


def diagnose(
    trace: Trace, tap: Tap, columns: slice, raw: Tensor, needs: Needs, rectify: Rectifier | None
) -> Iterator[Noted]:
    """One note for every reason that holds for some sample; how many of its targets it holds for is the count.

    Args:
        raw: the raw map (N, T, *S).
    """
    flat = raw.flatten(2)
    unfinished = ~flat.isfinite().all(-1)
    low, high = flat.amin(-1), flat.amax(-1)
    rectified = raw if rectify is None else rectify.rectify(raw)
    black = _all_zero(rectified, start=2)
    even = (low == high) & (flat.shape[-1] > 1)  # one cell alone is no even map
    dead = even | black | unfinished
    # on a CPU the answer is at hand, elsewhere it would be waited for
    if dead.device.type == "cpu" and not bool(dead.any()):
        return
    left = dead & ~unfinished
    yield _noted(tap, NOT_FINITE, unfinished)
    for reason, holds in _reasons(trace, tap, columns, needs, low, high, black):
        holds = left & holds
        left = left & ~holds
        yield _noted(tap, reason, holds)


def _reasons(
    trace: Trace, tap: Tap, columns: slice, needs: Needs, low: Tensor, high: Tensor, black: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """From the most specific on; the first that holds is given."""
    yield ZERO_ACTIVATIONS, _all_zero(trace.activations[tap]).unsqueeze(1)
    zero = (low == 0) & (high == 0)
    if needs.gradients:
        gradients = trace.gradients[tap][:, columns].flatten(2)
        yield ZERO_GRADIENTS, _all_zero(gradients, start=2)
        # a method that keeps positive gradients only has rectified before the finish does
        yield ALL_NEGATIVE, zero & (gradients.amax(-1) <= 0)
    yield ALL_NEGATIVE, black & (low < 0)
    yield ZERO_MAP, zero
    yield CONSTANT, low == high


def _all_zero(evidence: Tensor, start: int = 1) -> Tensor:
    return evidence.flatten(start).abs().amax(-1) == 0


def _noted(tap: Tap, reason: str, holds: Tensor) -> Noted:
    return Noted(str(tap), reason, holds.sum(1), counted=holds.shape[1] > 1)
