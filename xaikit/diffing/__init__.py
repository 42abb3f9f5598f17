"""Whether two runs say the same."""

from __future__ import annotations

from xaikit.diffing.difference import Difference, TrialDifference
from xaikit.diffing.walk import diff

__all__ = ["Difference", "TrialDifference", "diff"]
