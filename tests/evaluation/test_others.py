"""Other photographs for a mosaic: of other classes, and confidently so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

import xaikit
from xaikit.evaluation.others import OtherPhotographs


class Numbered(OtherPhotographs):
    """Photographs that are their own number."""

    def _read(self, name: str) -> torch.Tensor:
        return torch.full((1,), float(name))


def others(*rows: tuple[int, float]) -> OtherPhotographs:
    """Of classes and probabilities."""
    stated = [
        {"name": str(number), "image": f"digest {number}", "prediction": prediction, "probability": probability}
        for number, (prediction, probability) in enumerate(rows)
    ]
    opened: Any = SimpleNamespace(device=torch.device("cpu"))
    return Numbered(opened, stated, seed=0)


def picture(number: int) -> Any:
    return SimpleNamespace(photograph=SimpleNamespace(name=str(number)), digest=f"digest {number}")


@pytest.mark.parametrize("own", [0.9, 0.3])
def test_each_is_of_a_class_of_its_own_and_none_of_that_of_the_photograph(own: float) -> None:
    several = others((7, own), (7, 0.8), (7, 0.9), (1, 0.9), (1, 0.9), (2, 0.6), (3, 0.4))
    chosen = several.inputs(picture(0), 2, "others").flatten().tolist()
    assert set(chosen) in ({3, 5}, {4, 5})
    assert several.inputs(picture(0), 2, "others").flatten().tolist() == chosen
    with pytest.raises(xaikit.DataError, match=r"expected 3 other photographs that the model is sure of .* got 2"):
        several.inputs(picture(0), 3, "others")
