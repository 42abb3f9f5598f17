"""Whatever is done to photographs, config and folder between runs, in whatever order: a run then shows what a fresh one shows.

``XAIKIT_EXAMPLES=200 pytest tests/runner/test_any_order.py`` looks longer.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from PIL import Image

import xaikit
from xaikit.report.compaction import compact
from xaikit.report.report import Report
from xaikit.store.folder import Disk
from xaikit.store.trials import StoredTrial

Key = tuple[str, str, float, str, str]
"""The digest of a picture, and of a trial its method, the sign of its model, its target and how it is normalized."""

EXAMPLES = int(os.environ.get("XAIKIT_EXAMPLES", "6"))
SIZE, PICTURES = 16, 6
SIGN = "model.kwargs.sign"
SIGNS, TARGETS, NORMALIZE, METHODS = (1.0, -1.0), ("top1", 2), ("max", "none"), ("gradcam", "layercam")
MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, sign):
        super().__init__()
        self.sign = sign
        self.body = nn.Conv2d(3, 4, 3, 2, 1, bias=False)
        self.head = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3))) * self.sign

def net(sign=1.0):
    # of black and white pictures all sums are exact: no bit depends on what else is in a batch
    generator = torch.Generator().manual_seed(0)
    net = Net(sign)
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randint(-4, 5, value.shape, generator=generator) / 4)
    return net
"""


def content(number: int) -> Image.Image:
    """One of few pictures, black and white."""
    dots = torch.randint(0, 2, (SIZE, SIZE), generator=torch.Generator().manual_seed(number)).mul(255).byte()
    return Image.fromarray(dots.numpy()).convert("RGB")


def config(root: Path, to: str, **changes: Any) -> dict[str, Any]:
    (root / "net.py").write_text(MODEL)
    transform = {"size": SIZE, "crop": SIZE, "mean": [0.0] * 3, "std": [1.0] * 3}
    mapping = {
        "model": {"source": "importpath", "factory": f"{root}/net.py:net"},
        "data": {"source": "folder", "path": f"{root}/A", "transform": transform},
        "methods": list(METHODS),
        "layers": ["body"],
        "finish": {"resize": "none", "rectify": "none"},
        "report": {"to": str(root / to), "overlays": False, "maps": "float32"},
        "executor": {"use": "serial", "threads": 1},
    }
    return {**mapping, **changes}


def maps(report: Report, sign: float) -> dict[tuple[str, str, Key], torch.Tensor]:
    """By name of the photograph and of the trial, and what the map depends on; one record of each, and as many in SQL.

    ``sign`` is that of the model where it is not swept.
    """
    trials = {trial.name: trial for trial in report.trials}
    records = [(record, shard.map(at)) for shard in report.shards() for at, record in enumerate(shard.records)]
    found = {
        (record.name, record.trial, key_of(record.image, trials[record.trial], sign)): each for record, each in records
    }
    (counted,) = report.query("SELECT count(*) AS n FROM records").to_pylist()
    assert len(found) == len(records) == len(report.records) == counted["n"]
    return found


def key_of(image: str, trial: StoredTrial, sign: float) -> Key:
    target, normalize = str(dict(trial.target)), str(trial.finish["normalize"])
    return image, trial.method, float(trial.where.get(SIGN, sign)), target, normalize


def fresh_maps() -> dict[Key, torch.Tensor]:
    """Of every picture by every trial there can be, from a run in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "A").mkdir()
        for number in range(PICTURES):
            content(number).save(root / "A" / f"{number}.png")
        axes = {SIGN: list(SIGNS), "target": list(TARGETS), "finish.normalize": list(NORMALIZE)}
        found = maps(xaikit.run(config(root, "fresh", sweep=axes)), 1.0)
        return {key: each for (_, _, key), each in found.items()}


class Killed(BaseException):
    """As if the process had ended."""


class RunFolder(RuleBasedStateMachine):
    """One folder, in which one run follows the other."""

    expected: dict[Key, torch.Tensor]

    @initialize(numbers=st.lists(st.integers(0, PICTURES - 1), min_size=1, max_size=3))
    def begin(self, numbers: list[int]) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.stated: dict[str, Any] = {"batch_size": 1, "shard": 1, "target": "top1", "normalize": "max", "sign": [1.0]}
        self.stated |= {"data": ["A"], "methods": [METHODS[0]]}
        for data in ("A", "B"):
            (self.root / data).mkdir()
            content(0).save(self.root / data / "m0.png")
        for place, number in enumerate(numbers):
            content(number).save(self.root / "A" / f"m{place}.png")

    def teardown(self) -> None:
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    # what happens to the photographs

    @rule(data=st.sampled_from("AB"), first=st.booleans(), place=st.integers(0, 3), number=st.integers(0, PICTURES - 1))
    def add_or_edit(self, data: str, first: bool, place: int, number: int) -> None:
        content(number).save(self.root / data / f"{'am'[not first]}{place}.png")
        self.run_and_look()

    @rule(data=st.sampled_from("AB"), draw=st.randoms(use_true_random=False))
    def remove(self, data: str, draw: random.Random) -> None:
        photographs = sorted((self.root / data).iterdir())
        if len(photographs) > 1:
            draw.choice(photographs).unlink()

    @rule(data=st.sampled_from("AB"), draw=st.randoms(use_true_random=False), letter=st.sampled_from("amz"))
    def rename(self, data: str, draw: random.Random, letter: str) -> None:
        photograph = draw.choice(sorted((self.root / data).iterdir()))
        photograph.rename(photograph.with_name(f"{letter}{photograph.stem[1:]}.png"))

    @rule(data=st.sampled_from("AB"), draw=st.randoms(use_true_random=False))
    def reorder(self, data: str, draw: random.Random) -> None:
        photographs = sorted((self.root / data).iterdir())
        contents = [photograph.read_bytes() for photograph in photographs]
        draw.shuffle(contents)
        for photograph, each in zip(photographs, contents, strict=True):
            photograph.write_bytes(each)

    # what happens to the config

    @rule(
        key_and_value=st.one_of(
            *(st.tuples(st.just(key), st.integers(1, 4)) for key in ("batch_size", "shard")),
            st.tuples(st.just("target"), st.sampled_from(TARGETS)),
            st.tuples(st.just("normalize"), st.sampled_from(NORMALIZE)),
            *(
                st.tuples(st.just(key), st.lists(st.sampled_from(values), min_size=1, unique=True))
                for key, values in (("sign", SIGNS), ("data", ("A", "B")), ("methods", METHODS))
            ),
        )
    )
    def change(self, key_and_value: tuple[str, Any]) -> None:
        self.stated |= dict([key_and_value])
        self.run_and_look()

    # what happens to the folder

    @rule()
    def merge_parts(self) -> None:
        if self._parts():
            compact(self.root / "run")

    @rule(draw=st.randoms(use_true_random=False))
    def copy_a_part(self, draw: random.Random) -> None:
        if self._parts():
            part = draw.choice(self._parts())
            shutil.copy(part, part.with_name(f"{part.stem} (1).parquet"))

    @rule(after=st.integers(0, 40))
    def run_killed_at_a_write(self, after: int) -> None:
        write, left = Disk.write, [after]

        def killed(folder: Disk, name: str, **more: Any) -> Any:
            if not left[0]:
                raise Killed
            left[0] -= 1
            return write(folder, name, **more)

        with patch.object(Disk, "write", killed):
            try:
                self._run()
            except Killed:
                return
        self.run_and_look()

    @rule()
    def run_and_look(self) -> None:
        self._check(self._run())

    @rule()
    def run_in_shares_and_look(self) -> None:
        self._run(share=(2, 2))
        self._check(self._run(share=(1, 2)))

    def _parts(self) -> list[Path]:
        return sorted((self.root / "run" / "shards").rglob("*.parquet"))

    def _run(self, **more: Any) -> Report:
        stated = self.stated
        mapping = config(self.root, "run", methods=stated["methods"], target=stated["target"])
        mapping["finish"] |= {"normalize": stated["normalize"]}
        mapping["report"] |= {"shard": stated["shard"]}
        mapping["data"] |= {"batch_size": stated["batch_size"], "path": str(self.root / stated["data"][0])}
        mapping["model"] |= {"kwargs": {"sign": stated["sign"][0]}}
        axes = {SIGN: stated["sign"], "data.path": [str(self.root / data) for data in stated["data"]]}
        mapping["sweep"] = {key: values for key, values in axes.items() if len(values) > 1}
        return xaikit.run(mapping, **more)

    def _check(self, report: Report) -> None:
        found = maps(report, self.stated["sign"][0])
        there = {
            (path, hashlib.sha256(path.read_bytes()).hexdigest())
            for data in self.stated["data"]
            for path in (self.root / data).iterdir()
        }
        shown = {(Path(name), key[0]) for name, _, key in found}
        assert shown == there
        assert len(found) == len(there) * len(self.stated["sign"]) * len(self.stated["methods"])
        for (name, trial, key), values in found.items():
            assert torch.equal(values, self.expected[key]), (name, trial)


def test_a_run_shows_what_a_fresh_one_shows_whatever_was_before() -> None:
    RunFolder.expected = fresh_maps()
    checks = settings(
        max_examples=EXAMPLES,
        stateful_step_count=16,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(RunFolder, settings=checks)  # type: ignore[no-untyped-call]
