"""Finishers of somebody else, from the config to the report: what they declare decides, not what they are called."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import xaikit
from helpers.runs import config
from xaikit.errors import ConfigError
from xaikit.pictures.overlay import overlay
from xaikit.plain.remarks import ALL_NEGATIVE
from xaikit.report.compaction import compact
from xaikit.report.index import Index
from xaikit.report.report import Report
from xaikit.store.folder import Disk
from xaikit.store.pictures import open_picture
from xaikit.store.store import Store
from xaikit.store.trials import to_table

MINE = """
from dataclasses import dataclass
from typing import ClassVar
from torch import Tensor

@dataclass(frozen=True)
class Positive:
    signed: ClassVar[bool] = False
    drops_negative: ClassVar[bool] = True
    def rectify(self, saliency: Tensor) -> Tensor:
        return saliency.clamp_min(0)

@dataclass(frozen=True)
class Opposite:
    signed: ClassVar[bool] = True
    drops_negative: ClassVar[bool] = False
    def rectify(self, saliency: Tensor) -> Tensor:
        return -saliency

@dataclass(frozen=True)
class Against:
    signed: ClassVar[bool] = False
    drops_negative: ClassVar[bool] = False
    def rectify(self, saliency: Tensor) -> Tensor:
        return (-saliency).clamp_min(0)

@dataclass(frozen=True)
class Faulty:
    signed: ClassVar[bool] = False
    drops_negative: ClassVar[bool] = True
    def rectify(self, saliency: Tensor) -> Tensor:
        raise ValueError("by somebody else")
"""


def written(folder: Path, *rectifiers: str, **changes: Any) -> Path:
    """A config with a label for each rectifier of ``mine.py`` beside it, and the five classes as targets."""
    (folder / "mine.py").write_text(MINE)
    methods = {
        name.lower(): {"use": "gradcam", "layers": "body", "finish": {"rectify": f"./mine.py:{name}"}}
        for name in rectifiers
    }
    values = config(folder, methods=methods, target={"use": "top", "k": 5})
    values["report"] |= changes
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return xaikit.run(written(tmp_path_factory.mktemp("foreign"), "Positive", "Opposite", "Against"))


def test_negative_evidence_is_a_warning_where_the_rectifier_drops_it(run: Report) -> None:
    warned = [record for record in run.records if any(ALL_NEGATIVE in text for text in record.warnings)]
    assert {record.trial for record in warned} == {"positive"}
    for name in run.images:
        black, against = run.map(name, "positive")[4], run.map(name, "against")[4]
        assert not black.any()
        assert against.any()
    sql = "SELECT DISTINCT trial FROM records WHERE array_to_string(warnings, ' ') LIKE '%all-negative evidence%'"
    assert run.query(sql).to_pydict() == {"trial": ["positive"]}


def test_overlays_have_the_colours_that_the_rectifier_declares(run: Report) -> None:
    folder = Disk(Path(run.folder))
    assert {trial.name: trial.signed for trial in run.trials} == {"positive": False, "opposite": True, "against": False}
    for trial in run.trials:
        for column, saliency in enumerate(run.map("one.png", trial.name)):
            drawn = open_picture(
                folder, Path(run.overlay("one.png", trial.name, column)).relative_to(folder.path).as_posix()
            )
            picture = open_picture(folder, "pictures/one.png")
            assert drawn is not None
            assert picture is not None
            assert drawn.tobytes() == overlay(picture, saliency, signed=trial.signed).tobytes()
    positive = [saliency.min() >= 0 for saliency in run.map("one.png", "opposite")]
    assert any(positive), "a map of a signed finish that is nowhere negative keeps the colours of signed ones"


def test_records_are_read_where_the_finisher_is_not_installed_any_more(
    run: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alone = xaikit.open(run.folder)
    assert alone.records == run.records
    assert alone.warnings == run.warnings
    assert alone.maps("one.png", "positive").keys() == {"body"}
    with pytest.raises(ConfigError, match=r"there is no file .*mine\.py"):
        Report(run.folder, tmp_path, trust=True).map("one.png", "positive")


def test_a_finisher_of_a_file_is_found_from_the_config_that_named_it(
    run: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert torch.equal(xaikit.open(run.folder, trust=True).map("one.png", "positive"), run.map("one.png", "positive"))


EVIL = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
from {package}mine import *
"""


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a run, whose trials name code that lies in it and leaves a file behind where it is imported."""
    folder = Path(xaikit.run(written(tmp_path, "Positive", "Opposite")).folder)
    monkeypatch.syspath_prepend(str(folder))
    (folder / "evil").mkdir()
    for name in ("mine.py", "evil/mine.py"):
        (folder / name).write_text(MINE)
    (folder / "notes.py").write_text(EVIL.format(package=""))
    (folder / "evil" / "notes.py").write_text(EVIL.format(package="evil."))
    store, uses = Store.open(folder), {"positive": "evil.notes:Positive", "opposite": "./notes.py:Opposite"}
    trials = [
        replace(trial, finish={**trial.finish, "rectify": {"use": uses[trial.name]}}) for trial in Index(store).trials
    ]
    store.write_plan({**store.plan(), "base": str(folder)}, to_table(trials), store.photographs())
    yield folder
    for name in ("mine", "evil", "evil.mine", "evil.notes"):
        sys.modules.pop(name, None)


def test_a_run_folder_runs_no_code(foreign: Path) -> None:
    report = xaikit.open(foreign)
    assert len(report.records) == report.query("FROM records").num_rows > 0
    assert report.maps("one.png", "positive").keys() == {"body"}
    compact(foreign)
    assert xaikit.diff(report, xaikit.open(foreign)).same
    report.to_pandas()
    for read in (
        lambda: report.map("one.png", "positive"),
        lambda: report.map("one.png", "opposite"),
        lambda: next(iter(report)).map(0),
        lambda: xaikit.compare(report),
    ):
        with pytest.raises(ConfigError, match=r"xaikit\.open\(folder, trust=True\), or --trust on the command line"):
            read()
    assert not list(foreign.rglob("ran"))
    assert "evil" not in sys.modules


def test_a_run_folder_that_is_trusted_runs_its_code(foreign: Path) -> None:
    report = xaikit.open(foreign, trust=True)
    report.map("one.png", "positive")
    assert (foreign / "evil" / "ran").exists()
    report.map("one.png", "opposite")
    assert (foreign / "ran").exists()


def test_a_run_finishes_by_its_own_config_whatever_its_folder_names(foreign: Path) -> None:
    report = xaikit.run(foreign.parent / "config.yaml")
    assert report.map("one.png", "positive").any()
    assert not list(foreign.rglob("ran"))
    store = Store.open(foreign)
    others = [
        replace(trial, finish={**trial.finish, "rectify": "evil.notes:Positive"}) for trial in Index(store).trials
    ]
    store.write_plan(store.plan(), to_table(others), store.photographs())
    with pytest.raises(ConfigError, match="a run folder runs no code"):
        report.finish(others[0], report.maps("one.png", "positive"))
    assert not list(foreign.rglob("ran"))


def test_maps_are_kept_in_bytes_where_the_rectifier_drops_what_is_negative(tmp_path: Path) -> None:
    report = xaikit.run(written(tmp_path, "Positive", maps="uint8"))
    assert report.map("one.png", "positive").any()
    with pytest.raises(ConfigError, match=r"report.maps: uint8 keeps what a ReLU leaves, got against without one"):
        xaikit.run(written(tmp_path, "Positive", "Against", maps="uint8", to=str(tmp_path / "other")))


def test_a_finisher_that_raises_is_a_failure_and_stands_until_it_is_repaired(tmp_path: Path) -> None:
    path = written(tmp_path, "Faulty", "Positive")
    for _ in range(2):
        report = xaikit.run(path)
        assert [Path(failure.name).name for failure in report.failures] == ["one.png", "three.png", "two.png"]
        assert {failure.error for failure in report.failures} == {
            "faulty: the map cannot be finished: ValueError: by somebody else"
        }
        assert report.maps("one.png", "faulty")
        assert Path(report.overlay("one.png", "positive")).is_file()
    (tmp_path / "mine.py").write_text(
        MINE.replace('raise ValueError("by somebody else")', "return saliency.clamp_min(0)")
    )
    report = xaikit.run(path)
    assert report.failures == ()
    assert Path(report.overlay("one.png", "faulty")).is_file()
