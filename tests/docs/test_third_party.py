"""A distribution of somebody else: found, listed, configured from YAML, run; and what happens when two of them collide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import xaikit
from helpers.distributions import Install, installing, methods
from helpers.runs import config


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    with installing(tmp_path / "site", monkeypatch) as put:
        yield put


def test_it_is_found_listed_configured_and_run(tmp_path: Path, install: Install) -> None:
    install("xaikit-mine", methods(minecam="xaikit_mine"))
    listed = {entry.name: entry for entry in xaikit.Registry().catalogue("method")}
    assert listed["minecam"].summary == "Mine-CAM: the mean of all channels (Nobody, 2026)."
    assert listed["minecam"].distribution == "xaikit-mine"
    report = xaikit.run(config(tmp_path, methods={"minecam": {"k": 2}, "gradcam": {}}))
    assert report.labels == ("minecam", "gradcam")
    assert report.manifest["config"]["methods"]["minecam"]["k"] == 2
    locked = report.manifest["plugins"]["xaikit.methods:minecam"]
    assert (locked["distribution"], locked["version"]) == ("xaikit-mine", "1.0")


def test_two_of_one_name_are_a_conflict_that_names_both(tmp_path: Path, install: Install) -> None:
    install("xaikit-one", methods(minecam="xaikit_one"))
    install("xaikit-two", methods(minecam="xaikit_two"))
    with pytest.raises(xaikit.PluginConflict, match="offered by xaikit-one and xaikit-two"):
        xaikit.run(config(tmp_path, methods="minecam"))
    report = xaikit.run(config(tmp_path, methods={"mine": {"use": "xaikit-two:minecam"}}))
    assert report.labels == ("mine",)


def test_one_that_does_not_import_is_named_and_stops_nothing_else(tmp_path: Path, install: Install) -> None:
    install(
        "xaikit-broken", methods(brokencam="xaikit_broken"), '"""Broken-CAM."""\nimport a_module_that_is_not_there\n'
    )
    assert "brokencam" in xaikit.Registry().names("method")
    assert xaikit.run(config(tmp_path, methods="gradcam")).labels == ("gradcam",)
    where = r"'brokencam' \(xaikit_broken, from xaikit-broken 1\.0\) failed to import"
    with pytest.raises(xaikit.ConfigError, match=where):
        xaikit.run(config(tmp_path, methods="brokencam"))
