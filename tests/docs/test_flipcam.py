"""docs/examples/xaikit-flipcam as a stranger meets it: a wheel, installed where xaikit is, used from its YAML."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

import xaikit
from helpers.environments import Environment
from helpers.runs import config, tiny
from xaikit.report.report import Report
from xaikit.sources import Transform

PROJECT = Path(__file__).parents[2] / "docs" / "examples" / "xaikit-flipcam"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("clean") / "environment")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, environment: Environment) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    environment.sh(f"pip wheel --no-deps --wheel-dir {folder} {PROJECT}", folder)
    return next(folder.glob("*.whl"))


@pytest.fixture
def flipped(environment: Environment, wheel: Path, tmp_path: Path) -> Environment:
    """The environment with the wheel in it."""
    environment.sh(f"pip install {wheel}", tmp_path)
    return environment


def test_the_wheel_holds_the_module_and_its_entry_point(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if "dist-info" not in name}
        entries = archive.read("xaikit_flipcam-0.1.0.dist-info/entry_points.txt").decode()
    assert names == {"xaikit_flipcam.py"}
    assert entries.split() == ["[xaikit.methods]", "flipcam", "=", "xaikit_flipcam"]


def test_its_yaml_runs_beside_built_ins(flipped: Environment, tmp_path: Path) -> None:
    assert "weight: float = 0.5" in flipped.sh("xaikit methods flipcam", tmp_path)
    flipped.sh(f"xaikit run {PROJECT / 'flipcam.yaml'} report.to=run report.maps=float32", tmp_path)
    report = xaikit.open(tmp_path / "run")
    assert report.labels == ("gradcam", "flipcam", "mirrored", "layercam")
    assert report.manifest["plugins"]["xaikit.methods:flipcam"]["distribution"] == "xaikit-flipcam"
    assert report.images == ("coffee", "chelsea", "rocket")
    for name in report.images:
        plain, mirrored, average = (raw(report, name, label) for label in ("gradcam", "mirrored", "flipcam"))
        assert not torch.allclose(plain, mirrored, rtol=0.1)
        torch.testing.assert_close(average, (plain + mirrored) / 2, rtol=1e-4, atol=1e-6)


def test_its_maps_are_the_average_by_hand(flipped: Environment, tmp_path: Path) -> None:
    mapping = config(tmp_path, methods=["flipcam"], layers="body")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(mapping))
    flipped.sh("xaikit run small.yaml report.maps=float32", tmp_path)
    report = xaikit.open(tmp_path / "run")
    net = tiny(tmp_path)
    transform = Transform(32, 32, (0.5,) * 3, (0.25,) * 3)
    for name in report.images:
        image = transform.tensor(transform.picture(Image.open(name))).unsqueeze(0)
        chosen = int(net(image).argmax())
        average = (gradcam(net, image, chosen) + gradcam(net, image.flip(-1), chosen).flip(-1)) / 2
        torch.testing.assert_close(raw(report, name, "flipcam"), average, rtol=1e-4, atol=1e-6)


def test_it_is_gone_when_it_is_uninstalled(flipped: Environment, tmp_path: Path) -> None:
    flipped.sh("pip uninstall --yes xaikit-flipcam", tmp_path)
    assert "no method 'flipcam'" in flipped.sh("xaikit methods flipcam", tmp_path, fails=True)


def raw(report: Report, name: str, label: str) -> Tensor:
    """The raw map of the only layer, (H, W)."""
    return next(iter(report.maps(name, label).values()))


def gradcam(net: nn.Module, image: Tensor, chosen: int) -> Tensor:
    """Eq. 1 and 2 of Grad-CAM on the tiny net, before the ReLU."""
    evidence = net.body(net.stem(image)).detach().requires_grad_()
    score = net.head(evidence.mean((2, 3)))[0, chosen]
    (gradient,) = torch.autograd.grad(score, evidence)
    return (gradient.mean((2, 3), keepdim=True) * evidence).sum(1)[0].detach()
