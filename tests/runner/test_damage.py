"""Damage of a run folder is never silent, and never the end of it: a run makes anew what is damaged, and only that."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import xaikit
from helpers.runs import config, pictures
from xaikit.cli import commands, main
from xaikit.errors import DamagedFile
from xaikit.report.compaction import compact
from xaikit.report.report import Report
from xaikit.runner import steps
from xaikit.store.folder import Disk
from xaikit.store.pictures import open_picture

FLIPS = 500
SHOWN = ("a.png", "b.png", "c.png", "d.png")
KINDS = {
    "maps": ("shards/*/*.safetensors",),
    "part": ("shards/*/*.parquet",),
    "trials": ("trials.parquet",),
    "photographs": ("photographs.parquet",),
    "plan": ("plan.json",),
    "notes": ("manifest.json", "failed.jsonl", "sittings/*.json"),
    "pictures": ("pictures/*.png", "overlays/*.png", "contact-sheet.jpg"),
}
QUERY = 'SELECT * EXCLUDE (seconds, file, "row") FROM records ORDER BY name, trial, "column"'


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A config that was run: four photographs in two shards, and one that is no picture."""
    folder = tmp_path_factory.mktemp("damage")
    pictures(folder / "photos", SHOWN)
    (folder / "photos" / "e.png").write_bytes(b"no picture")
    values = config(folder, executor={"use": "serial", "threads": 1})
    values["report"] |= {"shard": 2, "maps": "float32"}
    steps.run(values)
    return values


@pytest.fixture(scope="module")
def folder(values: dict[str, Any]) -> Path:
    return Path(values["report"]["to"])


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, Any]:
    return dict(readings(folder))


def readings(folder: Path, of: str = "") -> Iterator[tuple[str, Any]]:
    """All that can be read of a run, or of one of its files, by what it is called; None where it is an error of xaikit's own."""
    opened = None if of.endswith("png") else value_of(lambda: Report(folder))
    if opened is not None:
        yield from report_readings(opened, of.rpartition(".")[2])
    for name in (
        [of] * of.endswith("png")
        if of
        else sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*.png"))
    ):
        picture = open_picture(Disk(folder), name)
        yield name, None if picture is None else picture.tobytes()


def report_readings(opened: Report, ending: str) -> Iterator[tuple[str, Any]]:
    if ending in ("", "safetensors", "parquet"):
        for photograph in SHOWN:
            for label in ("gradcam", "layercam"):
                yield (
                    f"maps of {photograph} by {label}",
                    value_of(lambda p=photograph, m=label: opened.maps(p, m)["body"]),
                )
    if ending in ("", "parquet"):
        yield "records", value_of(lambda: [record_of(record) for record in opened.records])
        yield "query", value_of(lambda: opened.query(QUERY).to_pylist())
        yield "trials", value_of(lambda: opened.trials)
        yield (
            "photographs",
            value_of(
                lambda: [
                    (name, at.stem) for name, at in opened.index.photographs.get(opened.trials[0].bench, {}).items()
                ]
            ),
        )
    if ending in ("", "json", "jsonl"):
        yield "failures", value_of(lambda: opened.failures)
        yield "config", value_of(lambda: opened.manifest["config"])
        yield "plan", value_of(lambda: opened.index.store.plan())


def value_of(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except DamagedFile:
        return None


def record_of(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in record.__slots__ if name != "seconds")


def same(value: Any, expected: Any) -> bool:
    return bool(torch.equal(value, expected)) if isinstance(expected, torch.Tensor) else value == expected


def differing(folder: Path, truth: dict[str, Any], of: str) -> list[str]:
    """What is read of a file without an error and is not the truth."""
    return [name for name, value in readings(folder, of) if value is not None and not same(value, truth[name])]


def flipped(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "flipped": lambda data: flipped(data, random.Random(1)),
    "half": lambda data: data[: len(data) // 2],
    "nul": lambda data: bytes(len(data)),
    "empty": lambda data: b"",
    "lost": lambda data: None,
}


def test_the_truth_is_all_there(folder: Path, truth: dict[str, Any]) -> None:
    assert len(truth) == 8 + 7 + len(list(folder.rglob("*.png")))
    assert all(value is not None for value in truth.values())
    assert len(truth["failures"]) == 1
    assert xaikit.verify(folder) == ()


def test_no_flipped_bit_is_silent(folder: Path, truth: dict[str, Any]) -> None:
    draw = random.Random(0)
    files = [path for patterns in KINDS.values() for pattern in patterns for path in sorted(folder.glob(pattern))]
    for number in range(FLIPS):
        path = files[number % len(files)]
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        path.write_bytes(flipped(data, draw))
        try:
            wrong = differing(folder, truth, name)
            named = [damage.file for damage in xaikit.verify(folder)]
        finally:
            path.write_bytes(data)
        assert not wrong, f"{name}, flip {number}"
        # the case of an escaped letter in JSON says nothing
        assert named == [name] or (not named and name.endswith("json")), f"{name}, flip {number}"
    assert xaikit.verify(folder) == ()


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_makes_anew_what_is_damaged(
    values: dict[str, Any], folder: Path, truth: dict[str, Any], kind: str, damage: str
) -> None:
    paths = [sorted(folder.glob(pattern))[0] for pattern in KINDS[kind]]
    stems = {path.stem for path in paths}
    files = {folder / file for file in Report(folder).rows["file"].to_pylist()}
    others = [file for file in files if file.stem not in stems]
    before = {path: path.stat().st_mtime_ns for path in others}
    for path in paths:
        damaged = DAMAGES[damage](path.read_bytes())
        if damaged is None:
            path.unlink()
        else:
            path.write_bytes(damaged)
    report = steps.run(values)
    assert (report.stopped, len(report.failures)) == ("", 1)
    assert xaikit.verify(folder) == ()
    found = dict(readings(folder))
    assert found.keys() == truth.keys()
    assert [name for name, value in found.items() if not same(value, truth[name])] == []
    assert {path: path.stat().st_mtime_ns for path in others} == before, "nothing else was computed again"


@pytest.mark.parametrize("pattern", ["shards/*/*.safetensors", "shards/*/merged-*.parquet"])
def test_a_merged_part_loses_only_what_is_damaged(
    values: dict[str, Any], folder: Path, truth: dict[str, Any], pattern: str
) -> None:
    assert compact(folder) > 1
    path = sorted(folder.glob(pattern))[0]
    path.write_bytes(flipped(path.read_bytes(), random.Random(2)))
    assert [damage.file for damage in xaikit.verify(folder)] == [path.relative_to(folder).as_posix()]
    steps.run(values)
    assert xaikit.verify(folder) == ()
    assert [name for name, value in readings(folder) if not same(value, truth[name])] == []


def test_the_command_line_says_what_is_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands.commands(["verify", str(folder)], standalone_mode=False)
    assert "files are what was written" in capsys.readouterr().out
    path = folder / "manifest.json"
    data = path.read_bytes()
    path.write_bytes(bytes(len(data)))
    try:
        with pytest.raises(SystemExit) as left:
            main(["verify", str(folder)])
    finally:
        path.write_bytes(data)
    assert left.value.code == 1
    shown = capsys.readouterr().out
    assert "manifest.json" in shown
    assert "`xaikit run` with the config of the run makes them anew" in shown
