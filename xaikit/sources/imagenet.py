"""The thousand classes of ImageNet in the order that its models have them.

Names are torchvision's, one a class; synonyms WordNet's (Princeton University, WordNet 3.0).
"""

from __future__ import annotations

from pathlib import Path

_LINES = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
WNIDS, CLASSES, SYNONYMS = zip(*(line.split("\t") for line in _LINES), strict=True)
"""By class: its WordNet id, its name, and all that it is called, with commas between: "tabby, tabby cat"."""


def wnids_of(classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The WordNet id of each class where these are ImageNet's thousand, else None."""
    return WNIDS if classes == CLASSES else None
