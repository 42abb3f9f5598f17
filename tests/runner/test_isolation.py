"""A photograph over which the process dies costs one sitting: the next one passes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

import xaikit
from helpers.resumed_runs import config_in
from xaikit.planning.shards import Job, Shard
from xaikit.runner.isolation import KILLER, parted

METHOD = """
import ctypes
from dataclasses import dataclass
from typing import ClassVar
from xaikit import Needs

@dataclass(frozen=True)
class Deadly:
    needs: ClassVar[Needs] = Needs(inputs=True)
    def explain(self, view):
        if (view.image.mean((1, 2, 3)) > LIMIT).any():
            ctypes.string_at(0)
        return view.activations.mean(2)
"""
DRIVER = "import sys, xaikit; xaikit.run(sys.argv[1])"


def test_the_next_sitting_passes_what_killed_the_last_one(tmp_path: Path) -> None:
    from PIL import Image

    values = config_in(tmp_path)
    for path in sorted((tmp_path / "photos").iterdir())[3:]:
        path.unlink()
    values["report"]["shard"] = 2
    Image.new("RGB", (40, 40), "white").save(tmp_path / "photos" / "01.png")
    (tmp_path / "mine.py").write_text(METHOD.replace("LIMIT", "1e9"))
    methods = {"mine": {"use": f"{tmp_path}/mine.py:Deadly"}}
    brightest = _brightest(
        {**values, "methods": methods, "report": {**values["report"], "to": str(tmp_path / "other")}}
    )
    (tmp_path / "mine.py").write_text(METHOD.replace("LIMIT", str(brightest)))
    values = {**values, "methods": methods}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    first = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path / "c.yaml")], stderr=subprocess.DEVNULL, check=False
    )
    assert first.returncode == -signal.SIGSEGV
    report = xaikit.run(values)
    (failure,) = report.failures
    assert failure.name.endswith("01.png")
    assert failure.error == f"{KILLER} (SIGSEGV)"
    assert "Deadly" in failure.details or "explain" in failure.details
    assert len(report.images) == 2
    assert report.stopped == ""


def _brightest(values: dict[str, Any]) -> float:
    """A limit that the white photograph alone is above: between it and the next one."""
    import torch

    from xaikit.bench.opened import open_bench
    from xaikit.config import load
    from xaikit.registry import Registry
    from xaikit.trials.expansion import expand
    from xaikit.trials.placement import groups

    registry = Registry()
    config = load(values, (), registry)
    opened = open_bench(config, groups(expand(config, registry))[0], registry, labelled=False)
    means = sorted(float(opened.loader.read(photograph).pixels.mean()) for photograph in opened.photographs)  # type: ignore[union-attr]
    assert torch.isfinite(torch.tensor(means)).all()
    return (means[-1] + means[-2]) / 2


def test_suspects_are_done_apart_with_what_is_read_ahead_of_them(tmp_path: Path) -> None:
    job = Job(None, (), "", 1, False, ("bench",), (tuple("abcdef"),))  # type: ignore[arg-type]
    shards = [Shard(0, number, ((number,),), ("e",)) for number in range(6)]
    apart, others = parted(job, shards, frozenset([("bench", "c"), ("other", "a")]))
    assert (apart, others) == (shards[2:4], [*shards[:2], *shards[4:]])
