"""Runs and sweeps on the device: the maps and rows of the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.devices import DEVICE, IS_VIRTUAL
from helpers.runs import config

METHODS = ["gradcam", "scorecam", "ablationcam", "eigencam", "smoothgradcampp"]
SWEEP = {"layers": [["stem"], ["stem", "body"]], "target": ["top1", 2]}


def runs(folder: Path, **changes: Any) -> tuple[Any, Any]:
    values = config(folder, executor={"use": "serial", "threads": 1}, **changes)
    on_cpu = xaikit.run({**values, "device": "cpu", "report": {"to": str(folder / "cpu")}})
    return on_cpu, xaikit.run({**values, "device": "auto", "report": {"to": str(folder / "device")}})


@pytest.mark.parametrize("changes", [{}, {"sweep": SWEEP}], ids=["run", "sweep"])
def test_a_run_keeps_the_maps_of_the_cpu(changes: dict[str, Any], tmp_path: Path) -> None:
    on_cpu, on_device = runs(tmp_path, methods=METHODS, **changes)
    assert not on_device.failures, on_device.failures
    assert on_device.manifest["device"].startswith(DEVICE.type)
    difference = xaikit.diff(on_cpu, on_device, tolerance=0 if IS_VIRTUAL else 1e-3)
    assert difference.trials
    assert difference.same, str(difference)
