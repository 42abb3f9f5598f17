"""Every plugin of every entry point keeps its contract: each check of the kit on each of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from skimage import data, io

from helpers.signals import write_video
from xaikit.registry import Registry
from xaikit.testing import KINDS_CHECKED, Check, checks_of
from xaikit.testing.checks import COMMON
from xaikit.testing.sources import CHECKS


@cache
def pictures() -> str:
    """A folder with one picture in a folder of its class, a table of it, and a function that makes a model."""
    root = Path(mkdtemp())
    (root / "tabby").mkdir()
    hubconf = "def plain():\n    import torch\n    return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1))\n"
    (root / "hubconf.py").write_text(hubconf, encoding="utf-8")
    io.imsave(root / "tabby" / "cat.png", data.chelsea()[::4, ::4])
    with (root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], ["tabby/cat.png", "281"]])
    for name, shape in (("series", (2, 40)), ("volume", (1, 4, 6, 5))):
        np.save(root / f"{name}.npy", np.random.default_rng(0).random(shape, np.float32))
    write_video(root / "film.mp4")
    return str(root)


def examples(kind: str, name: str) -> list[dict[str, Any]]:
    """Options of plugins that cannot do without: they belong to a machine or a moment, and so not to the class."""
    if kind == "data":
        paths = {
            "files": "tabby/cat.png",
            "folder": "",
            "imagefolder": "",
            "csv": "table.csv",
            "series": "series.npy",
            "volumes": "volume.npy",
            "video": "film.mp4",
        }
        return [{"path": f"{pictures()}/{paths[name]}"}] if name in paths else []
    options = {
        "hub": {"repo": pictures(), "name": "plain"},
        "importpath": {"factory": "helpers.hard_nets:Plain"},
        "timm": {"name": "test_resnet", "pretrained": False},
        "torchvision": {"name": "squeezenet1_1", "weights": None},
    }
    return [options[name]] if kind == "model" and name in options else []


HANDED = "object"
"""What xaikit.run is handed, which no file holds: it gives nothing by itself. See tests/runner/test_model_object.py."""
OPTIONAL = "quantus"
"""What works with a package that need not be installed. See tests/metrics/test_quantus.py."""
OF_FILES = {work.__name__ for kind in ("model", "data") for work in CHECKS[kind]} - {work.__name__ for work in COMMON}


def everything() -> Iterator[tuple[str, str, Check]]:
    for kind in KINDS_CHECKED:
        for entry in [entry for entry in Registry().catalogue(kind) if entry.name != OPTIONAL]:
            for check in checks_of(kind, entry.name, examples(kind, entry.name)):
                if entry.name != HANDED or check.name not in OF_FILES:
                    yield kind, entry.name, check


ALL = list(everything())


@pytest.mark.parametrize(("kind", "name", "check"), ALL, ids=[f"{kind}-{name}-{check}" for kind, name, check in ALL])
def test_contract(kind: str, name: str, check: Check) -> None:
    check()
