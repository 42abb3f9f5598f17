from pathlib import Path

import pyarrow as pa
import pytest

from helpers.run_folders import BENCH, commit, planned, row, trial
from xaikit.plain.remarks import ALL_NEGATIVE
from xaikit.report.index import Index
from xaikit.store.store import Store
from xaikit.store.tables import write_table

NAMES = ("b.jpg", "a.jpg")


def names(store: Store) -> list[str]:
    return Index(store).rows()["name"].to_pylist()


def test_rows_of_evidence_that_is_not_in_the_plan_are_not_shown(tmp_path: Path) -> None:
    store = planned(tmp_path, names=NAMES)
    commit(store, "000000-a", [row("a.jpg"), row("b.jpg", evidence="of another plan")])
    assert names(store) == ["a.jpg"]


def test_evidence_that_only_another_bench_of_the_plan_has_is_not_shown(tmp_path: Path) -> None:
    store = planned(tmp_path, [trial(), trial("other", bench="bench2", evidence="e2")], NAMES)
    commit(store, "000000-a", [row("a.jpg"), row("a.jpg", evidence="e2")])
    index = Index(store)
    assert index.rows()["evidence"].to_pylist() == ["e1"]
    assert [record.trial for record, _, _ in index.records(index.rows())] == ["gradcam"]


def test_benches_that_are_not_in_the_plan_are_not_read(tmp_path: Path) -> None:
    store = planned(tmp_path, names=NAMES)
    commit(store, "000000-a", [row("a.jpg")], bench="of another plan")
    assert Index(store).parts == ()
    assert names(store) == []


def test_photographs_that_have_changed_or_are_not_in_the_plan_are_not_shown(tmp_path: Path) -> None:
    store = planned(tmp_path, names=NAMES, a="new digest")
    commit(store, "000000-a", [row("a.jpg", image="old digest"), row("b.jpg"), row("gone.jpg")])
    assert names(store) == ["b.jpg"]
    commit(store, "000001-a", [row("a.jpg", image="new digest")])
    assert names(store) == ["b.jpg", "a.jpg"]


def test_rows_of_some_photographs_and_parts(tmp_path: Path) -> None:
    store = planned(tmp_path, names=NAMES)
    for number, name in enumerate(NAMES):
        commit(store, f"{number:06d}-a", [row(name)])
    index = Index(store)
    assert index.rows(names=["a.jpg"])["name"].to_pylist() == ["a.jpg"]
    assert index.rows(index.parts[:1])["name"].to_pylist() == ["b.jpg"]
    assert index.rows(names=[]).num_rows == index.rows(parts=[], names=["a.jpg"]).num_rows == 0


def test_records_come_by_photograph_then_trial_then_column(tmp_path: Path) -> None:
    trials = [trial("two"), trial("one"), trial("three", evidence="e2")]
    store = planned(tmp_path, trials, NAMES)
    rows = [row(name, evidence=key, column=at) for key in ("e2", "e1") for name in ("a.jpg", "b.jpg") for at in (1, 0)]
    commit(store, "000000-a", rows)
    index = Index(store)
    order = [(record.name, record.trial, record.column) for record, _, _ in index.records(index.rows())]
    assert order == [(name, each, at) for name in NAMES for each in ("two", "one", "three") for at in (0, 1)]


def test_a_record_says_what_the_row_and_the_trial_say(tmp_path: Path) -> None:
    store = planned(tmp_path, [trial("sharp/8", label="sharp")])
    commit(store, "000000-a", [row(score=None, target=None, warnings=["layer4: zero map"])])
    index = Index(store)
    ((record, of_trial, _),) = index.records(index.rows())
    assert (record.trial, record.label, record.layers, record.stem) == ("sharp/8", "sharp", ("layer3", "layer4"), "cat")
    assert (record.image, record.target, record.warnings) == ("digest of cat.jpg", None, ("layer4: zero map",))
    assert (record.probability, record.seconds, of_trial) == (0.97, 0.25, index.trials[0])


@pytest.mark.parametrize("drops_negative", [True, False])
def test_negative_evidence_blackens_only_what_drops_it(tmp_path: Path, drops_negative: bool) -> None:
    remarks = [f"layer4: {ALL_NEGATIVE}", "layer4: zero gradients"]
    store = planned(tmp_path, [trial(drops_negative=drops_negative)])
    commit(store, "000000-a", [row(warnings=remarks)])
    index = Index(store)
    ((record, _, _),) = index.records(index.rows())
    assert record.warnings == tuple(remarks if drops_negative else remarks[1:])


def test_merged_parts_are_seen_once(tmp_path: Path) -> None:
    store = planned(tmp_path, names=NAMES)
    commit(store, "000000-a", [row("a.jpg")])
    part = f"shards/{BENCH}/000000-a.parquet"
    store.write_part(f"shards/{BENCH}/merged-1.parquet", store.rows([part]), {"files": {}})
    assert names(store) == ["a.jpg"]


def test_of_rows_that_say_the_same_the_newest_is_shown(tmp_path: Path) -> None:
    store = planned(tmp_path, names=NAMES)
    commit(store, "000001-z", [row("a.jpg", score=0.1), row("a.jpg", evidence="e2"), row("b.jpg")])
    commit(store, "000000-a", [row("a.jpg", score=0.2), row("a.jpg", column=1)])
    index = Index(store)
    rows = {(each["name"], each["column"]): each["score"] for each in index.rows().to_pylist()}
    assert rows == {("a.jpg", 0): 0.2, ("a.jpg", 1): 0.5, ("b.jpg", 0): 0.5}
    assert index.rows().num_rows == sum(index.rows([part]).num_rows for part in index.parts) == 3


def test_a_row_of_what_the_photograph_was_before_takes_the_place_of_none(tmp_path: Path) -> None:
    store = planned(tmp_path, names=NAMES, a="of today")
    for number, image in enumerate(("of today", "of yesterday")):
        commit(store, f"{number:06d}-a", [row("a.jpg", image=image)])
    assert Index(store).rows()["image"].to_pylist() == ["of today"]


def test_where_the_label_is_explained_only_the_row_of_todays_label_is_shown(tmp_path: Path) -> None:
    store = planned(tmp_path, [trial(labelled=True), trial("other", evidence="e2")], names=NAMES)
    shown = store.photographs()
    at = shown.column_names.index("truth")
    write_table(store.folder, "photographs.parquet", shown.set_column(at, "truth", pa.array([None, 3], pa.int32())))
    commit(store, "000000-a", [row("a.jpg", truth=3), row("a.jpg", evidence="e2")])
    commit(store, "000001-a", [row("a.jpg", truth=4)])
    shown = [(each["evidence"], each["truth"]) for each in Index(store).rows().to_pylist()]
    assert shown == [("e1", 3), ("e2", None)]
