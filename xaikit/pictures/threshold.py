"""From where on a part of a map stands out, as people say it."""

from __future__ import annotations

import re
from typing import Literal

from xaikit.errors import ConfigError

Threshold = float | str
"""A share of the largest value in (0, 1]; a percentile of the values, a number above 1 or "95%"; or "otsu"."""

Keep = Literal["largest", "all"]

DEFAULT_THRESHOLD = 0.5


def read_threshold(stated: object) -> tuple[str, float]:
    """What a threshold means: "share", "percentile" or "otsu", and the number. Raises ConfigError."""
    if getattr(stated, "ndim", None) == 0:  # a number of NumPy, or of a tensor
        stated = stated.item()  # type: ignore[attr-defined]
    if isinstance(stated, str) and stated == "otsu":
        return "otsu", 0.0
    number, percent = stated, False
    if isinstance(stated, str) and (written := re.fullmatch(r"(p?)(\d*\.?\d+)(%?)", stated)):
        number, percent = float(written[2]), bool(written[1] or written[3])
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        if 0 < number <= 1 and not percent:
            return "share", float(number)
        if 0 <= number <= 100 and (percent or number > 1):
            return "percentile", float(number)
    raise ConfigError(
        f"threshold: expected a share of the largest value in (0, 1], a percentile such as '95%', or 'otsu', got {stated!r}"
    )
