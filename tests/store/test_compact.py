from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.run_folders import BENCH, commit, everything, planned, row
from xaikit.errors import StoreError
from xaikit.report.index import Index
from xaikit.store.compact import compact
from xaikit.store.measures import MEASURES, commit_measures, measure_parts, read_measures
from xaikit.store.store import Store

NAMES = tuple(f"{letter}.jpg" for letter in "abcdef")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Six parts of two rows."""
    store = planned(tmp_path, names=(*NAMES, "g.jpg"))
    for number, name in enumerate(NAMES):
        commit(store, f"{number:06d}-x", [row(name), row(name, column=1)])
    return store


def names_and_columns(store: Store) -> list[tuple[str, int]]:
    rows = Index(store).rows().to_pylist()
    return sorted((each["name"], each["column"]) for each in rows)


EVERY_ROW = [(name, column) for name in NAMES for column in (0, 1)]


def test_many_parts_become_few_and_their_maps_stay(store: Store) -> None:
    before = store.rows(store.parts())
    assert compact(store, [BENCH, BENCH]) == 6
    (part,) = store.parts()
    assert part.startswith(f"shards/{BENCH}/merged-")
    assert store.rows([part]).equals(before)
    assert store.folder.names("shards", ".parquet") == [part]
    assert len(store.folder.names("shards", ".safetensors")) == 6
    for each in store.rows([part]).to_pylist():
        assert store.maps([each], ["q1/layer3", "q1/layer4"])[0]["q1/layer3"].shape == (2, 4, 4)


def test_parts_are_as_large_as_said_and_a_second_time_does_nothing(store: Store) -> None:
    assert compact(store, [BENCH], rows_per_part=5) == 6
    assert [store.rows([part]).num_rows for part in store.parts()] == [4, 4, 4]
    before = everything(Path(str(store.folder)))
    assert compact(store, [BENCH], rows_per_part=5) == 0
    assert everything(Path(str(store.folder))) == before


def test_parts_that_are_large_already_stay(store: Store) -> None:
    before = store.parts()
    assert compact(store, [BENCH], rows_per_part=1) == 0
    assert store.parts() == before


def test_merged_parts_are_merged_with_what_comes_later(store: Store) -> None:
    compact(store, [BENCH])
    commit(store, "000009-x", [row("g.jpg")])
    assert compact(store, [BENCH]) == 2
    assert names_and_columns(store) == [*EVERY_ROW, ("g.jpg", 0)]
    assert len(store.parts()) == 1
    assert len(store.files(store.parts()[0])) == 7


def test_maps_are_still_checked(store: Store, tmp_path: Path) -> None:
    compact(store, [BENCH])
    store.check(BENCH)
    (tmp_path / f"shards/{BENCH}/000003-x.safetensors").write_bytes(b"short")
    with pytest.raises(StoreError, match=r"000003-x\.safetensors: damaged: expected \d+ bytes, got 5; `xaikit run`"):
        store.check(BENCH)


@pytest.mark.parametrize("after", range(7))
def test_killed_at_any_point_every_row_is_there_once(store: Store, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    remove, left = type(store.folder).remove, [after]

    def killed(folder: object, name: str) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        remove(folder, name)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(type(store.folder), "remove", killed)
        if after < 6:
            with pytest.raises(KeyboardInterrupt):
                compact(store, [BENCH])
        else:
            compact(store, [BENCH])
    assert names_and_columns(store) == EVERY_ROW
    commit(store, "000009-x", [row("g.jpg")])
    assert compact(store, [BENCH]) == 8 - min(after, 6)
    assert names_and_columns(store) == [*EVERY_ROW, ("g.jpg", 0)]
    (part,) = store.folder.names("shards", ".parquet")
    assert store.rows([part]).num_rows == len(EVERY_ROW) + 1


def test_of_rows_that_say_the_same_the_newest_is_kept(store: Store) -> None:
    part, *_ = store.parts()
    Path(store.folder.url(part)).with_name("copy (1).parquet").write_bytes(store.folder.read(part))
    commit(store, "000008-y", [row("a.jpg", score=0.75), row("b.jpg", image="edited"), row("c.jpg", truth=3)])
    assert compact(store, [BENCH]) == 8
    rows = store.rows(store.parts()).to_pylist()
    assert len(rows) == len(EVERY_ROW) + 2
    assert [each["score"] for each in rows if (each["name"], each["column"]) == ("a.jpg", 0)] == [0.75]


def test_the_same_parts_merge_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 7)
    written = []
    for name in ("one", "two"):
        store = planned(tmp_path / name, names=NAMES)
        for number, each in enumerate(NAMES):
            commit(store, f"{number:06d}-x", [row(each)])
        compact(store, [BENCH])
        (part,) = store.parts()
        written.append((part, store.folder.read(part)))
    assert written[0] == written[1]


def test_other_benches_and_damaged_parts_stay(store: Store, tmp_path: Path) -> None:
    commit(store, "000000-x", [row()], bench="other")
    commit(store, "000001-x", [row()], bench="other")
    assert compact(store, [BENCH, "absent"]) == 6
    assert len(store.parts("other")) == 2
    (tmp_path / "shards" / "other" / "000001-x.parquet").write_bytes(b"torn")
    with pytest.raises(StoreError, match=r"000001-x\.parquet: damaged"):
        compact(store, ["other"])
    assert len(store.folder.names("shards/other", ".parquet")) == 2


def measures_of(*names: str, value: float, commit: int) -> pa.Table:
    row = {field.name: None for field in MEASURES} | {"bench": BENCH, "metric": "srg", "control": "", "column": 0}
    rows = [row | {"name": name, "value": value, "commit": commit} for name in names]
    return pa.Table.from_pylist(rows, schema=MEASURES)


@pytest.mark.parametrize("killed", [False, True])
def test_parts_of_measures_become_one_of_the_newest(
    store: Store, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    commit_measures(store.folder, BENCH, 0, measures_of("a.jpg", "b.jpg", value=0.25, commit=1))
    commit_measures(store.folder, BENCH, 1, measures_of("b.jpg", "c.jpg", value=0.75, commit=2))
    compact(store, [BENCH])
    commit_measures(store.folder, BENCH, 2, measures_of("c.jpg", value=1.0, commit=3))
    if killed:
        with monkeypatch.context() as patched:
            patched.setattr(type(store.folder), "remove", mock.Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                compact(store, [BENCH])
    assert compact(store, [BENCH]) == (3 if killed else 2), "the merged part of one that was killed is there already"
    (part,) = measure_parts(store.folder, BENCH)
    table = read_measures(store.folder, [BENCH], ["srg"])
    assert dict(zip(table["name"].to_pylist(), table["value"].to_pylist(), strict=True)) == {
        "a.jpg": 0.25,
        "b.jpg": 0.75,
        "c.jpg": 1.0,
    }
    assert pq.read_metadata(store.folder.url(part)).num_rows == 3
    assert compact(store, [BENCH]) == 0
