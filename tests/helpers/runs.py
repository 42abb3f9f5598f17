"""Small runs for tests: a tiny model by import path, and pictures drawn here. Nothing of ImageNet, nothing downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

CLASSES = ["circle", "square", "triangle", "star", "cross"]
FACTORY = """
import torch
from torch import nn

def tiny(classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential()
    net.add_module("stem", nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU()))
    net.add_module("body", nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU()))
    net.add_module("pool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flat", nn.Flatten())
    net.add_module("head", nn.Linear(8, classes))
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.4)
    return net
"""


def tiny(folder: Path) -> nn.Module:
    """The model of the runs."""
    space: dict[str, Any] = {}
    exec(FACTORY, space)
    module: nn.Module = space["tiny"]()
    return module


def pictures(folder: Path, names: tuple[str, ...] = ("one.png", "two.png", "three.png"), size: int = 40) -> Path:
    """A folder of small pictures, each different."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names):
        pixels = torch.rand(size, size, 3, generator=torch.Generator().manual_seed(place)).mul(255).byte()
        Image.fromarray(pixels.numpy()).save(folder / name)
    return folder


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    """A run of the tiny model on the pictures of ``folder/photos``, written to ``folder/run``."""
    (folder / "models.py").write_text(FACTORY)
    if not (folder / "photos").exists():
        pictures(folder / "photos")
    return {
        "name": "small",
        "model": {"source": "importpath", "factory": f"{folder}/models.py:tiny", "classes": CLASSES},
        "data": {
            "source": "folder",
            "path": str(folder / "photos"),
            "batch_size": 2,
            "transform": {"size": 32, "crop": 32, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        },
        "methods": ["gradcam", "layercam"],
        "report": {"to": str(folder / "run")},
        **changes,
    }
