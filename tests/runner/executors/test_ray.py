"""Ray for real, with two local workers."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.resumed_runs import PHOTOGRAPHS, config_in, hashes
from helpers.runs import config, pictures
from xaikit.runner import steps

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One for all tests of this file: starting it takes seconds."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray leaves sockets and files of its own open
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        yield
        ray.shutdown()


def test_a_missing_ray_is_an_error_before_anything_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(xaikit.ConfigError, match=r"executor: ray is not installed: pip install 'xaikit\[ray\]'"):
        xaikit.load(config(tmp_path, executor="ray"))


def with_ray(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {
        **values,
        "executor": {"use": "ray", "workers": 2, "threads": 1},
        "report": {**values["report"], "to": str(folder)},
    }


def test_two_workers_write_the_same_bytes_as_one_process(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    alone = xaikit.run(values)
    together = xaikit.run(with_ray(values, tmp_path / "ray"))
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "run")
    assert together.images == alone.images
    assert together.counts["forwards"] == alone.counts["forwards"]


def test_two_workers_measure_what_one_process_does(tmp_path: Path) -> None:
    values = config_in(tmp_path, metrics={"srg": {"block": 8, "steps": 3}, "sparseness": {}}, controls=False)
    alone = xaikit.run(values)
    together = xaikit.run(with_ray(values, tmp_path / "ray"))
    assert alone.measures.num_rows == 2 * 2 * len(PHOTOGRAPHS)
    about = ["name", "trial", "column", "metric", "value", "numbers"]
    assert together.measures.select(about) == alone.measures.select(about)


def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    xaikit.run(values)
    (tmp_path / "slow.py").write_text(SLOW)
    slow = with_ray(values, tmp_path / "ray")
    slow["methods"] = {
        "gradcam": {},
        "layercam": {},
        "slow": {"use": f"{tmp_path}/slow.py:Slow", "folder": str(tmp_path)},
    }
    killer = threading.Thread(target=_kill_one, args=(tmp_path,))
    killer.start()
    report = xaikit.run(slow)
    killer.join()
    assert (tmp_path / "killed").exists()
    assert len(report.images) == len(PHOTOGRAPHS)
    assert report.failures == ()
    assert len(report.records) == 3 * len(PHOTOGRAPHS)


SLOW = """
import os, time
from dataclasses import dataclass
from xaikit import Needs

@dataclass(frozen=True)
class Slow:
    folder: str = ""
    needs = Needs()
    def explain(self, view):
        open(os.path.join(self.folder, f"{os.getpid()}.pid"), "w").close()
        while not os.path.exists(os.path.join(self.folder, "killed")):
            time.sleep(0.01)
        return view.activations.mean(view.channel)
"""


def _kill_one(folder: Path) -> None:
    """One that explains, and goes on doing so until it is killed."""
    for _ in range(6000):  # on a busy machine actors take their time to start
        for file in folder.glob("*.pid"):
            os.kill(int(file.stem), signal.SIGKILL)
            (folder / "killed").touch()
            return
        time.sleep(0.05)


POISON = """
import os
from dataclasses import dataclass
from xaikit import Needs

@dataclass(frozen=True)
class Poisoned:
    needs = Needs(inputs=True)
    def explain(self, view):
        if (view.image.amin((1, 2, 3)) > 1.9).any():
            os._exit(9)
        return view.activations.mean(view.channel)
"""


def test_a_photograph_that_kills_its_worker_is_quarantined_and_nothing_else_is_lost(tmp_path: Path) -> None:
    from PIL import Image

    pictures(tmp_path / "photos", PHOTOGRAPHS[:7])
    Image.new("RGB", (40, 40), "white").save(tmp_path / "photos" / "white.png")
    (tmp_path / "poison.py").write_text(POISON)
    values = config(tmp_path, methods={"poisoned": {"use": f"{tmp_path}/poison.py:Poisoned"}})
    values["report"] |= {"shard": 4, "overlays": False}
    report = steps.run(with_ray(values, tmp_path / "ray"))
    assert len(report.images) == 7
    assert [Path(failure.name).name for failure in report.failures] == ["white.png"]
    assert "worker died 3 times" in report.failures[0].error
