"""A distribution of somebody else: found, listed, configured from YAML, run; and what happens when two of them collide."""

from __future__ import annotations

from pathlib import Path

import pytest

import xaikit
from runs import config

MODULE = '''"""Mean-CAM: the mean activation (Nobody 2026)."""
from dataclasses import dataclass
from xaikit import Needs, hookimpl

@dataclass(frozen=True)
class MeanCam:
    """Sum over channels divided by their number, to a power."""
    power: int = 1
    needs = Needs()

    def explain(self, view):
        return view.activations.mean(view.channel) ** self.power

@hookimpl
def xaikit_method():
    return MeanCam
'''


def distribution(folder: Path, name: str, module: str, text: str, entry: str) -> Path:
    """What pip leaves behind: a module and its metadata."""
    root = folder / name
    info = root / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (root / f"{module}.py").write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[xaikit.methods]\n{entry} = {module}\n")
    return root


def test_it_is_found_listed_configured_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(distribution(tmp_path, "xaikit-meancam", "tp_meancam", MODULE, "meancam"))
    listed = {entry.name: entry for entry in xaikit.Registry().catalogue("method")}
    assert listed["meancam"].summary == "Mean-CAM: the mean activation (Nobody 2026)."
    assert listed["meancam"].distribution == "xaikit-meancam"
    report = xaikit.run(config(tmp_path, methods={"meancam": {"power": 2}, "gradcam": {}}))
    assert report.labels == ("meancam", "gradcam")
    locked = report.manifest["plugins"]["xaikit.methods:meancam"]
    assert (locked["distribution"], locked["version"]) == ("xaikit-meancam", "1.0")


def test_two_of_one_name_are_a_conflict_that_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(distribution(tmp_path, "xaikit-one", "tp_one", MODULE, "meancam"))
    monkeypatch.syspath_prepend(distribution(tmp_path, "xaikit-two", "tp_two", MODULE, "meancam"))
    with pytest.raises(xaikit.PluginConflict, match="offered by xaikit-one and xaikit-two"):
        xaikit.run(config(tmp_path, methods="meancam"))
    report = xaikit.run(config(tmp_path, methods={"mine": {"use": "xaikit-two:meancam"}}))
    assert report.labels == ("mine",)


def test_one_that_does_not_import_is_named_and_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = '"""Broken-CAM."""\nimport a_module_that_is_not_there\n'
    monkeypatch.syspath_prepend(distribution(tmp_path, "xaikit-broken", "tp_broken", broken, "brokencam"))
    assert "brokencam" in xaikit.Registry().names("method")
    assert xaikit.run(config(tmp_path, methods="gradcam")).labels == ("gradcam",)
    with pytest.raises(
        xaikit.ConfigError, match=r"'brokencam' \(tp_broken, from xaikit-broken 1\.0\) failed to import"
    ):
        xaikit.run(config(tmp_path, methods="brokencam"))
