"""A run that is killed, or whose disk is full, loses nothing that was finished and computes nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import xaikit
from helpers.resumed_runs import PHOTOGRAPHS, config_in, hashes
from helpers.runs import pictures
from xaikit.planning.shards import Receipt
from xaikit.runner import steps
from xaikit.runner.watch import Unwatched

DRIVER = "import sys, xaikit; report = xaikit.run(sys.argv[1])"


def test_a_driver_killed_at_random_instants_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    undisturbed = {**values, "report": {**values["report"], "to": str(tmp_path / "whole")}}
    xaikit.run(undisturbed)
    (tmp_path / "killed.yaml").write_text(yaml.safe_dump(values))
    draw, shards = random.Random(0), tmp_path / "run" / "shards"
    kills, committed = 0, 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path / "killed.yaml")], stderr=subprocess.DEVNULL
        )
        while process.poll() is None and len(list(shards.rglob("*.parquet"))) <= committed:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.05))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = len(list(shards.rglob("*.parquet")))
        assert now >= committed, "what is committed stays"
        committed = now
    assert kills, "some sitting was killed before its end"
    report = xaikit.run(values)
    assert hashes(tmp_path / "run") == hashes(tmp_path / "whole")
    assert report.counts["photographs"] == len(report.images) == len(PHOTOGRAPHS)
    assert not list((tmp_path / "run").rglob("*xaikit-tmp*"))


class Interrupting(Unwatched):
    """Presses Ctrl-C while a batch is explained, or when a shard is done, and hears what is said."""

    def __init__(self, within: bool) -> None:
        self.messages: list[str] = []
        self._within = within

    def progressed(self, photographs: float) -> None:
        if self._within and 0 < photographs < 2 and not self.messages:
            os.kill(os.getpid(), signal.SIGINT)

    def advanced(self, receipt: Receipt) -> None:
        if not self._within:
            os.kill(os.getpid(), signal.SIGINT)

    def stopping(self, message: str) -> None:
        self.messages.append(message)


@pytest.mark.parametrize(("within", "done", "doing"), [(True, 2, "2 photographs"), (False, 4, "what is being written")])
def test_an_interrupt_commits_the_batch_and_says_how_to_go_on(
    tmp_path: Path, within: bool, done: int, doing: str
) -> None:
    values, watcher = config_in(tmp_path), Interrupting(within)
    report = steps.run(values, watcher=watcher)
    assert report.stopped == "interrupted"
    assert watcher.messages == [f"interrupted: finishing {doing}; again to stop now"]
    assert len(report.images) == report.counts["explained"] == done
    assert not report.failures
    assert xaikit.run(values).stopped == ""
    assert len(xaikit.open(tmp_path / "run").images) == len(PHOTOGRAPHS)


def test_a_budget_ends_between_shards_and_every_trial_has_seen_the_same(tmp_path: Path) -> None:
    values = config_in(tmp_path, budget=1e-6)
    values["sweep"] = {"data.transform.size": [32, 36]}
    report = xaikit.run(values)
    assert report.stopped == "the budget is spent"
    rows = report.query(
        "SELECT trial, list(DISTINCT name ORDER BY name) AS names FROM records GROUP BY trial"
    ).to_pylist()
    assert len(rows) == 4
    assert len({tuple(row["names"]) for row in rows}) == 1
    assert len(rows[0]["names"]) == 4


def test_a_full_disk_ends_the_run_and_keeps_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xaikit.store.store import Store

    values, commit, left = config_in(tmp_path), Store.commit, [2]

    def full(self: Store, *args: Any) -> None:
        if not left[0]:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        commit(self, *args)

    monkeypatch.setattr(Store, "commit", full)
    with pytest.raises(xaikit.StoreError, match=r"No space left on device; 2 shards of this sitting .* are kept"):
        xaikit.run(values)
    monkeypatch.undo()
    assert len(xaikit.open(tmp_path / "run").images) == 8
    assert len(xaikit.run(values).images) == len(PHOTOGRAPHS)


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    (tmp_path / "file").write_text("mine")
    values["report"]["to"] = str(tmp_path / "file" / "run")
    with pytest.raises(xaikit.StoreError, match="cannot be written to"):
        xaikit.run(values)


def test_the_shards_of_several_jobs_add_up(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    first = steps.run(values, share=(1, 2))
    assert len(first.images) == 12
    assert len(steps.run(values, share=(2, 2)).images) == len(PHOTOGRAPHS)
    whole = {**values, "report": {**values["report"], "to": str(tmp_path / "whole")}}
    xaikit.run(whole)
    assert hashes(tmp_path / "run") == hashes(tmp_path / "whole")


def test_a_damaged_maps_file_is_made_anew(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    report = xaikit.run(values)
    expected = [report.map(name, "gradcam") for name in report.images]
    victim = next((tmp_path / "run" / "shards").rglob("*.safetensors"))
    victim.write_bytes(victim.read_bytes()[:-9])
    report = xaikit.run(values)
    assert [
        torch.equal(report.map(name, "gradcam"), one) for name, one in zip(report.images, expected, strict=True)
    ] == [True] * len(PHOTOGRAPHS)


def test_a_renamed_or_doubled_photograph_is_taken_over(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    before = xaikit.run(values)
    expected = before.map("03.png", "gradcam")
    (tmp_path / "photos" / "03.png").rename(tmp_path / "photos" / "zz.png")
    (tmp_path / "photos" / "also.png").write_bytes((tmp_path / "photos" / "05.png").read_bytes())
    after = xaikit.run(values)
    assert after.counts["shards"] == before.counts["shards"], "nothing was computed"
    assert (after.map("zz.png", "gradcam") == expected).all()
    assert (after.map("also.png", "layercam") == after.map("05.png", "layercam")).all()
    assert len(after.images) == len(PHOTOGRAPHS) + 1


def test_a_plan_finds_out_that_the_folder_cannot_be_used(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    with pytest.raises(xaikit.StoreError, match=r"got one with other files \('thesis\.tex'\)"):
        xaikit.plan(values)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(xaikit.StoreError, match="is no folder"):
        xaikit.plan({**values, "report": {"to": str(tmp_path / "file" / "run")}})


def test_bytes_are_for_maps_without_a_sign(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    values["report"]["maps"] = "uint8"
    report = xaikit.run(values)
    assert report.map("00.png", "gradcam").min() >= 0
    values["methods"] = ["gradcam", "hirescam"]
    with pytest.raises(xaikit.ConfigError, match="uint8 keeps what a ReLU leaves, got hirescam without one"):
        xaikit.run(values)


def test_failures_of_a_part_are_forgotten_once_the_whole_has_mended_them(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    (tmp_path / "photos" / "03.png").write_bytes(b"no picture")
    assert len(steps.run(values, share=(1, 2)).failures) == 1
    assert len(xaikit.run(values).failures) == 1
    pictures(tmp_path / "photos", PHOTOGRAPHS)
    assert xaikit.run(values).failures == ()
    assert [path.name for path in (tmp_path / "run").glob("failed*")] == ["failed.jsonl"]
