"""The thousand classes of ImageNet in the order that its models have them.

Names are torchvision's, one a class; synonyms WordNet's (Princeton University, WordNet 3.0).
"""

from __future__ import annotations

from pathlib import Path

from torchvision.models import ResNet50_Weights

_LINES = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()

CLASSES: tuple[str, ...] = tuple(ResNet50_Weights.DEFAULT.meta["categories"])
WNIDS: tuple[str, ...] = tuple(line.partition("\t")[0] for line in _LINES)
SYNONYMS: tuple[str, ...] = tuple(line.partition("\t")[2] for line in _LINES)
"""All that a class is called, with commas between: "tabby, tabby cat"."""


def wnids_of(classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The WordNet id of each class where these are ImageNet's thousand, else None."""
    return WNIDS if classes == CLASSES else None
