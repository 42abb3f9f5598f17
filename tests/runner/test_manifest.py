from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

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


def test_what_comes_of_the_environment_is_kept_by_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cr3t-t0k3n"
    monkeypatch.setenv("TOKEN", secret)
    monkeypatch.setenv("SEED", "3")
    monkeypatch.setenv("TARGET", "2")
    values = config(tmp_path, seed="${oc.env:SEED}", target={"use": "logit", "index": "${oc.env:TARGET}"})
    code = (tmp_path / "models.py").read_text()
    (tmp_path / "models.py").write_text(
        code + "\ndef private(token, url, **more):\n    assert token in url\n    return tiny(**more)\n"
    )
    values["model"]["factory"] = f"{tmp_path}/models.py:private"
    values["model"]["kwargs"] = {"token": "${oc.env:TOKEN}", "url": "https://x/${model.kwargs.token}"}
    report = xaikit.run(values)
    assert (report.failures, report.trials[0].seed, report.trials[0].target["index"]) == ((), 3, 2)
    for path in Path(report.folder).rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes(), path
    kept = report.manifest["config"]
    assert kept["model"]["kwargs"] == values["model"]["kwargs"]
    assert (kept["seed"], kept["target"]) == ("${oc.env:SEED}", {"use": "logit", "index": "${oc.env:TARGET}"})
    assert json.loads((Path(report.folder) / "plan.json").read_text())["config"] == kept
    assert xaikit.load(kept, ["device=auto"]) == xaikit.load(values), "what is kept can be read again"
