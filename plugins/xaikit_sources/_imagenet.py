"""The thousand classes of ImageNet in the order that its models have them."""

from __future__ import annotations

from pathlib import Path

from torchvision.models import ResNet50_Weights

CLASSES: tuple[str, ...] = tuple(ResNet50_Weights.DEFAULT.meta["categories"])
WNIDS: tuple[str, ...] = tuple(Path(__file__).with_name("imagenet_wnids.txt").read_text(encoding="ascii").split())


def wnids_of(classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The WordNet id of each class where these are ImageNet's thousand, else None."""
    return WNIDS if classes == CLASSES else None
