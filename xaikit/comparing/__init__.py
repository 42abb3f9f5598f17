"""What the trials of a run differ in, and whether photographs bear it out."""

from __future__ import annotations

from xaikit.comparing.comparison import MOST_PAIRED, Comparison, Group, Pair, compare
from xaikit.comparing.long import table

__all__ = ["MOST_PAIRED", "Comparison", "Group", "Pair", "compare", "table"]
