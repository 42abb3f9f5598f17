"""Shard jobs, another driver, a compact and a reader at one run folder, all at once: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

import xaikit
from helpers.resumed_runs import PHOTOGRAPHS, config_in
from xaikit.report.compaction import compact

ROUNDS = int(os.environ.get("XAIKIT_ROUNDS", "5"))
JOB = """
import sys, time, xaikit
from xaikit.runner import steps

share, *configs = sys.argv[1:]
for config in configs:
    for _ in range(2000):  # whoever does the whole, or merges, is waited for
        try:
            steps.run(config, share=(int(share), 2))
        except xaikit.StoreError as error:
            assert "last heard of" in str(error), error
            time.sleep(0.01)
        else:
            break
"""


def test_nothing_is_lost_or_doubled_whoever_else_is_there(tmp_path: Path) -> None:
    values = config_in(tmp_path)
    fresh = xaikit.run({**values, "report": {**values["report"], "to": str(tmp_path / "fresh")}})
    expected = maps_of(fresh)
    configs = []
    for number in range(ROUNDS):
        folder = {**values, "report": {**values["report"], "to": str(tmp_path / f"run{number}")}}
        configs.append(tmp_path / f"{number}.yaml")
        configs[-1].write_text(yaml.safe_dump(folder))
    jobs = [subprocess.Popen([sys.executable, "-c", JOB, share, *map(str, configs)]) for share in ("1", "2")]
    draw, actions = random.Random(0), Counter[str]()
    while any(job.poll() is None for job in jobs):
        number = draw.randrange(ROUNDS)
        actions[disturb(draw.choice(("read", "compact", "run")), configs[number], tmp_path / f"run{number}")] += 1
    assert [job.wait() for job in jobs] == [0, 0]
    assert actions["read"], "somebody looked on"
    assert actions["refused"], "somebody else wished to write"
    for config in configs:
        report = xaikit.run(config)
        assert not report.failures
        check_records(report)
        assert maps_of(report) == expected


def disturb(action: str, config: Path, folder: Path) -> str:
    """Do something at a folder where others write; what was done, or that it was refused."""
    if not (folder / "trials.parquet").is_file():
        return "early"
    try:
        if action == "read":
            check_records(xaikit.open(folder))
        elif action == "compact":
            compact(folder)
        else:
            xaikit.run(config)
    except xaikit.StoreError as error:
        if "is being planned" in str(error):
            return "early"
        if "last heard of" not in str(error):
            raise
        return "refused"
    return action


def check_records(report: xaikit.Report) -> None:
    """Each of what it has is there once, by all ways to it."""
    records = [(record.name, record.trial, record.column) for record in report.records]
    assert len(set(records)) == len(records) <= 2 * len(PHOTOGRAPHS)


def maps_of(report: xaikit.Report) -> dict[tuple[str, str], bytes]:
    records = [(record.name, record.trial) for record in report.records]
    assert len(records) == 2 * len(PHOTOGRAPHS)
    return {key: report.map(*key).numpy().tobytes() for key in records}
