"""From what was measured to medians and ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.rows import Row
from benchmarks.sides import FORWARD, XAIKIT

DIGITS = 4


def result(row: Row, measured: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """One row of the JSON. A ratio is the median of the rounds' own ratios, so that a slow moment hits both its sides."""
    peers = [name for name in row.sides if name != XAIKIT]
    of_forward = {name: _ratios(measured[name], measured[FORWARD]) for name in row.sides}
    of_xaikit = {name: _ratios(measured[name], measured[XAIKIT]) for name in peers}
    return {
        "title": row.title,
        "measure": row.measure,
        "sides": {name: _summary(values) for name, values in measured.items()},
        "of_forward": of_forward,
        "of_xaikit": of_xaikit,
        "goal": str(row.goal),
        "met": row.goal.met(of_forward[XAIKIT]["median"], {name: ratio["median"] for name, ratio in of_xaikit.items()}),
    }


def _ratios(values: Sequence[float], others: Sequence[float]) -> dict[str, Any]:
    # a slow side took part in the first rounds only
    return _summary([value / other for value, other in zip(values, others, strict=False)])


def _summary(values: Sequence[float]) -> dict[str, Any]:
    return {
        "median": _short(median(values)),
        "low": _short(min(values)),
        "high": _short(max(values)),
        "rounds": len(values),
    }


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
