from __future__ import annotations

import hashlib
import json
from pathlib import Path

import xaikit
import xaikit_cams.gradcam
from helpers.runs import config


def test_the_lock_of_plugins_tells_versions_and_sources(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path))
    lock = json.loads((tmp_path / "run" / "manifest.json").read_text())["plugins"]
    source = Path(xaikit_cams.gradcam.__file__).read_text()
    assert lock["xaikit.methods:gradcam"] == {
        "distribution": "xaikit",
        "version": xaikit.__version__,
        "module": "xaikit_cams.gradcam",
        "source": hashlib.sha256(source.encode()).hexdigest(),
    }
    assert {
        "xaikit.executors:serial",
        "xaikit.targets:top",
        "xaikit.models:importpath",
        "xaikit.fusers:max",
    } <= lock.keys()
    assert report.stopped == ""


def test_counts_and_times_are_summed_over_sittings(tmp_path: Path) -> None:
    xaikit.run(config(tmp_path, methods=["gradcam"]))
    report = xaikit.run(config(tmp_path, methods=["gradcam", "layercam"]))
    assert report.counts["forwards"] == 4, "two batches each sitting"
    assert report.counts["photographs"] == 3
    assert report.manifest["seconds"]["total"] > 0
