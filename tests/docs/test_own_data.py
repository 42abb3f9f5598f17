"""docs/own-data.md: every YAML and every Python block of it runs, in a folder that has the files it names."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
import torchvision
import yaml
from PIL import Image

import xaikit
from helpers.runs import pictures
from helpers.signals import NETS, series, volume, write_video

PAGE = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")
NAMES = ["tench", "tabby cat", "goldfish"]
MINE = """
from torchvision.transforms import functional as F

def transform(picture):
    return F.normalize(F.to_tensor(F.resize(picture, [48, 48])), [0.5] * 3, [0.5] * 3)
"""
MAKERS = """
def make():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))

def of_series():
    return conv(1, 1, 2)

def of_volumes():
    return conv(3, 1)

def of_videos():
    return conv(3, 3)
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Not the working directory: paths are relative to the config."""
    home = tmp_path / "home"
    for name in ("tench", "tabby_cat"):
        pictures(home / "photos" / name, ("a.png", "b.png"))
    (home / "nets.py").write_text(NETS + MAKERS)
    (home / "mine.py").write_text(MINE)
    (home / "names.txt").write_text("\n".join(NAMES))
    (home / "boxes.csv").write_text(
        "path,x_min,y_min,x_max,y_max,label\ntench/a.png,4,4,30,30,tench\ntabby_cat/b.png,0,0,9,9,\n"
    )
    Image.new("L", (40, 40), 255).save(home / "mask.png")
    (home / "objects.csv").write_text(
        "path,class,object,left,top,right,bottom,mask\n"
        "photos/tench/a.png,tench,eye,2,2,9,9,\nphotos/tench/a.png,tench,,2,2,30,9,\nphotos/tench/b.png,tench,,,,,,mask.png\n"
    )
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), home / "mine.pth")
    space: dict[str, object] = {}
    exec(NETS + MAKERS, space)
    torch.save(space["make"]().state_dict(), home / "net.pth")  # type: ignore[operator]
    rows = [",".join(map(str, [kind, *series(seed)[0]])) for seed, kind in enumerate(("calm", "wild", "calm"))]
    (home / "series.csv").write_text("\n".join([",".join(["kind", *(f"t{at}" for at in range(64))]), *rows]))
    (home / "scans").mkdir()
    np.save(home / "scans" / "a.npy", volume())
    nibabel.save(nibabel.Nifti1Image(volume((16, 12, 10)), np.eye(4)), home / "scans" / "b.nii.gz")
    (home / "clips").mkdir()
    write_video(home / "clips" / "a.mp4")
    monkeypatch.chdir(tmp_path)
    return home


def test_every_config_of_the_page_runs_to_a_picture(folder: Path) -> None:
    for place, text in enumerate(blocks("yaml")):
        (folder / f"of{place}.yaml").write_text(text)
        report = xaikit.run(folder / f"of{place}.yaml")
        assert report.records, text
        assert report.failures == (), text
        assert report.folder == Path("runs", f"of{place}"), "written where one is"
        with Image.open(str(report.sheets[0])) as sheet:
            assert min(sheet.size) > 100
        rows = report.measures.to_pylist()
        assert not rows or any(row["value"] == row["value"] for row in rows), text
    assert place == 7, "none is left out"


def test_its_python_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "classes.yaml").write_text(blocks("yaml")[0])
    (folder / "objects.yaml").write_text(blocks("yaml")[4])
    space: dict[str, object] = {}
    for code in blocks("python"):
        exec(compile(code, "docs/own-data.md", "exec"), space)
    report = space["report"]
    assert isinstance(report, xaikit.Report)
    assert {(record.target_name, record.truth_name) for record in report.records} == {
        ("tabby cat", "tench"),
        ("tabby cat", "tabby cat"),
    }
    assert {record.correct for record in report.records} <= {True, False}


def test_the_page_says_the_limit_that_holds() -> None:
    from xaikit.schema.data import MAX_PIXELS

    assert f"{MAX_PIXELS // 10**6} million pixels" in PAGE
    assert all(yaml.safe_load(text) for text in blocks("yaml"))
