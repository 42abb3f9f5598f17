"""Durations as one writes them: ``90s``, ``20min``, ``1h30m``, or a number of seconds."""

from __future__ import annotations

import math
import re
from typing import Any

from xaikit.config.marks import shown

_NUMBER = r"(\d+(?:\.\d+)?)"
_PATTERN = re.compile(rf"(?:{_NUMBER} *h)? *(?:{_NUMBER} *(?:min|m))? *(?:{_NUMBER} *s)?")
_SECONDS = (3600.0, 60.0, 1.0)


def seconds(value: Any) -> float:
    """A duration in seconds; raises ValueError for what is none.

    >>> seconds("20min"), seconds("1h30m"), seconds("1.5s"), seconds(90)
    (1200.0, 5400.0, 1.5, 90.0)
    """
    found = _seconds(value)
    if found is None or not 0 < found < math.inf:
        raise ValueError(f"expected a duration such as 20min, 90s or 1h30m, got {shown(value)}")
    return found


def _seconds(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(_NUMBER, text):  # environment variables are text
        return float(text)
    match = _PATTERN.fullmatch(text) if text else None
    return sum(float(part or 0) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True)) if match else None
