"""Explanations of series and volumes are looked at as those of pictures are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import xaikit
from xaikit.errors import ConfigError
from xaikit.pictures.signal import HEIGHT, WIDTH


def explained(dimensions: int) -> xaikit.Explanation:
    """Of two samples of 2 channels, by a net of that many axes of space."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        convolution, pool = getattr(nn, f"Conv{dimensions}d"), getattr(nn, f"AdaptiveAvgPool{dimensions}d")
        net = nn.Sequential(convolution(2, 4, 3, padding=1), nn.ReLU(), pool(1), nn.Flatten(), nn.Linear(4, 3))
        inputs = torch.rand(2, 2, *(12, 10, 14)[:dimensions])
    return xaikit.explain(net.eval(), inputs, "hirescam", layers="1")["hirescam"]


def test_a_series_is_plotted_with_its_map_as_a_line(tmp_path: Path) -> None:
    explanation = explained(1)
    overlay = explanation.overlay(sample=1)
    assert overlay.height == HEIGHT
    assert overlay.width > WIDTH
    assert explanation.plot().height > 2 * HEIGHT
    assert explanation._repr_png_()
    with Image.open(explanation.save(tmp_path / "series.png")) as saved:
        assert saved.height > 2 * HEIGHT


def test_a_volume_is_shown_as_slices_on_one_scale() -> None:
    explanation = explained(3)
    overlay = explanation.overlay()
    assert overlay.height == 2 * 10  # eight slices, four in a row
    assert explanation.plot().width > overlay.width
    assert explanation.shown is not None
    slices = np.asarray(explanation.shown.window(0).picture)
    assert slices.max() == 255
    assert (slices.reshape(2, 10, 4, 14, 3).max((1, 3)) < 255).any()


@pytest.mark.parametrize("dimensions", [1, 3])
def test_boxes_are_of_pictures(dimensions: int) -> None:
    with pytest.raises(ConfigError, match=r"expected a map \(H, W\) to lay over a picture"):
        explained(dimensions).boxes()
