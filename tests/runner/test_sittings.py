"""Who sits at a run: one at the whole, or one at each share; what each did is added up, whatever became of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.resumed_runs import PHOTOGRAPHS, config_in
from xaikit.report.compaction import compact
from xaikit.runner import steps
from xaikit.runner.watch import Unwatched
from xaikit.store.checksums import from_json, to_json
from xaikit.store.lease import Holder


class Watching(Unwatched):
    """Calls something after every shard."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.then, self.plan = then, ""

    def started(self, plan: Any) -> None:
        self.plan = str(plan)

    def advanced(self, receipt: Any) -> None:
        self.then()


def lease_in(run: Path, **changes: Any) -> None:
    holder = replace(Holder(), machine="another", host="elsewhere", held=True, **changes)
    (run / "leases").mkdir(parents=True, exist_ok=True)
    (run / "leases" / f"{holder.token}.json").write_text(json.dumps(asdict(holder)).ljust(1024))


def as_if_killed(run: Path) -> None:
    (sitting,) = (run / "sittings").iterdir()
    sitting.write_text(to_json({**from_json(sitting.read_text()), "stopped": "running"}))


def test_a_second_driver_is_refused_and_told_who_the_first_one_is(tmp_path: Path) -> None:
    values, refused = config_in(tmp_path), []

    def again() -> None:
        if refused:
            return
        for changes in ({}, {"data": {**values["data"], "batch_size": 5}}):
            with pytest.raises(xaikit.StoreError, match=r"pid \d+, last heard of \d+ s ago.*--shard I/N") as caught:
                xaikit.run({**values, **changes})
            refused.append("with another config" in str(caught.value))
        with pytest.raises(xaikit.StoreError, match="the only one"):
            compact(tmp_path / "run")

    report = steps.run(values, watcher=Watching(again))
    assert refused == [False, True]
    assert len(report.records) == 2 * len(PHOTOGRAPHS)
    assert not list((tmp_path / "run" / "leases").iterdir())


def test_who_left_a_lease_behind_is_named(tmp_path: Path) -> None:
    lease_in(tmp_path / "run", heard=0, pid=12)
    watching = Watching(lambda: None)
    report = steps.run(config_in(tmp_path), watcher=watching)
    assert "warning: took over from a run on host elsewhere, pid 12, last heard of" in watching.plan
    assert [each["host"] for each in report.manifest["taken_over"]] == ["elsewhere"]


def test_jobs_count_for_themselves_and_say_how_they_themselves_ended(tmp_path: Path) -> None:
    values, inner = config_in(tmp_path), []

    def other_job() -> None:
        if not inner:
            inner.append(steps.run(values, share=(2, 2)))

    assert steps.run(values, share=(1, 2), watcher=Watching(other_job)).stopped == ""
    assert inner[0].stopped == "", "the other one was running then"
    report = xaikit.open(tmp_path / "run")
    assert (report.stopped, report.counts["shards"], len(report.images)) == ("", 6, len(PHOTOGRAPHS))


def test_a_reader_sees_that_a_run_goes_on_and_that_it_was_killed(tmp_path: Path) -> None:
    values, seen = config_in(tmp_path), []

    def look() -> None:
        report = xaikit.open(tmp_path / "run")
        seen.append((report.stopped, report.counts["shards"]))
        if len(seen) == 3:
            raise MemoryError("no more")

    with pytest.raises(MemoryError):
        steps.run(values, watcher=Watching(look))
    assert seen == [("running", 1), ("running", 2), ("running", 3)]
    assert xaikit.open(tmp_path / "run").stopped == "MemoryError: no more"
    as_if_killed(tmp_path / "run")
    report = xaikit.open(tmp_path / "run")
    assert (report.stopped, report.counts["shards"]) == ("killed", 3)
    assert xaikit.run(values).counts["shards"] == 6
    assert xaikit.open(tmp_path / "run").stopped == ""


def test_a_share_that_was_killed_is_not_forgotten_until_the_whole_is_done(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    steps.run(values, share=(1, 2))
    as_if_killed(tmp_path / "run")
    assert steps.run(values, share=(2, 2)).stopped == ""
    assert xaikit.open(tmp_path / "run").stopped == "killed"
    xaikit.run(values)
    assert xaikit.open(tmp_path / "run").stopped == ""


def test_who_was_taken_over_stops(tmp_path: Path) -> None:
    def take_over() -> None:
        for path in (tmp_path / "run" / "leases").iterdir():
            path.unlink()

    with pytest.raises(xaikit.StoreError, match="taken over; what it has finished is kept"):
        steps.run(config_in(tmp_path), watcher=Watching(take_over))
    assert len(xaikit.open(tmp_path / "run").images) == 8


def test_damaged_sittings_and_manifest_are_written_anew(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    xaikit.run(values)
    for path in [*(tmp_path / "run" / "sittings").iterdir(), tmp_path / "run" / "manifest.json"]:
        path.write_bytes(b"\0" * 100)
    report = xaikit.run(values)
    assert report.manifest["config"]["name"] == values["name"]
    assert len(report.images) == len(PHOTOGRAPHS)


def test_two_threads_on_one_folder_are_served_one_after_the_other(tmp_path: Path) -> None:
    values, reports = config_in(tmp_path), []
    threads = [threading.Thread(target=lambda: reports.append(xaikit.run(values))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(report.images) for report in reports] == [len(PHOTOGRAPHS)] * 2
    assert xaikit.open(tmp_path / "run").counts["shards"] == 6
