"""The thousand classes of ImageNet: their names, and their WordNet ids."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def wnids() -> tuple[str, ...]:
    """The WordNet ids in the order of the outputs."""
    return tuple((Path(__file__).parent / "imagenet_wnids.txt").read_text(encoding="ascii").split())


@cache
def names() -> tuple[str, ...]:
    """The class names in the order of the outputs, as torchvision's weights give them."""
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
