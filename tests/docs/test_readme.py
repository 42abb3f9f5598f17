"""What the README shows is run, and what configs/ holds too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import xaikit
from xaikit.testing import method_checks

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_two_commands_stand_there() -> None:
    assert "pip install -e '.[demo]' && xaikit run configs/quickstart.yaml" in README
    assert "pip install -e '.[test]' && pytest" in README


def test_the_lines_of_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    exec(compile(BLOCKS[0], "README.md", "exec"), space)
    explained = space["explained"]
    assert isinstance(explained, dict)
    assert explained["layercam"].map.shape == (4, 224, 224)
    assert explained["gradcam"].maps["layer4"].shape == (4, 7, 7)
    assert (tmp_path / "maps.png").is_file()


def test_the_plugin_runs_by_file_and_as_an_instance(tmp_path: Path) -> None:
    (tmp_path / "sharpcam.py").write_text(BLOCKS[1])
    plugin = xaikit.Registry().find("method", "./sharpcam.py", tmp_path)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5))
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    sharp = xaikit.explain(net, images, {"sharp": plugin.cls(power=3)}, layers="1")["sharp"]
    assert sharp.maps["1"].shape == (2, 6, 6)
    assert sharp.map.max() > 0


def test_the_plugin_keeps_its_contract(tmp_path: Path) -> None:
    (tmp_path / "sharpcam.py").write_text(BLOCKS[1])
    for check in method_checks(str(tmp_path / "sharpcam.py")):
        check()


def test_every_command_of_the_table_exists() -> None:
    from xaikit.cli.commands import commands

    named = set(re.findall(r"^\| `xaikit (\w+)", README, re.MULTILINE))
    assert named == set(commands.commands)


def test_every_method_is_in_the_table() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert named == set(xaikit.Registry().names("method"))


def test_init_writes_the_quickstart() -> None:
    template = ROOT / "xaikit" / "cli" / "templates" / "quickstart.yaml"
    assert template.read_text() == (ROOT / "configs" / "quickstart.yaml").read_text()


OFFLINE = {"odam": ["model.weights=none", "model.kwargs={score_thresh: 0, min_size: 160, max_size: 160}"]}
"""No package has weights of a detector; random ones are sure of nothing."""


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_runs(path: Path, tmp_path: Path) -> None:
    report = xaikit.run(path, [f"report.to={tmp_path / 'run'}", *OFFLINE.get(path.stem, [])])
    assert report.images
    assert not report.failures
    drawn = xaikit.load(path).report.overlays is not False
    assert [sheet.is_file() for sheet in report.sheets] == [True] * drawn


def test_the_quick_start_finds_espresso_cat_and_missile(tmp_path: Path) -> None:
    report = xaikit.run(ROOT / "configs" / "quickstart.yaml", [f"report.to={tmp_path / 'run'}", "methods=gradcam"])
    predicted = {record.name: record.prediction_name for record in report.records}
    assert predicted["coffee"] == "espresso"
    assert "cat" in predicted["chelsea"].lower()
    assert predicted["rocket"] == "missile"
