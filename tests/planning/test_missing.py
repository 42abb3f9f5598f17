import hashlib
from pathlib import Path

import pytest

from helpers.run_folders import BENCH, commit, planned, row
from xaikit.bench.loader import Loader
from xaikit.errors import DataError, StoreError
from xaikit.planning.missing import MissingEvidence, StoredResults, find_missing
from xaikit.schema.classes import Classes
from xaikit.sources import Photograph, Transform
from xaikit.store.rows import ROWS
from xaikit.store.store import Store

EVIDENCE = ("e1", "e2")
LOADER = Loader(Transform(), classes=Classes(("tench", "goldfish")), labelled=True)


def photograph(name: str, content: bytes | None = None, label: str | int | None = None) -> Photograph:
    return Photograph(name, lambda: name.encode() if content is None else content, label)


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def missing(store: Store, *photographs: Photograph, labelled: frozenset[str] = frozenset()) -> MissingEvidence:
    stored = StoredResults(store, BENCH, EVIDENCE)
    return find_missing(stored, BENCH, photographs, LOADER, EVIDENCE, labelled)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = planned(tmp_path)
    rows = [row("cat.jpg", image=digest("cat.jpg"), evidence=key, column=at) for key in EVIDENCE for at in (0, 1)]
    commit(store, "000000-a", [*rows, row("dog.jpg", image=digest("dog.jpg"))])
    return store


def test_an_empty_folder_misses_everything_and_no_file_is_read(tmp_path: Path) -> None:
    def unread() -> bytes:
        raise AssertionError

    result = missing(Store.claim(tmp_path), Photograph("cat.jpg", unread), Photograph("dog.jpg", unread))
    assert result == MissingEvidence((frozenset(EVIDENCE),) * 2, {}, (None, None), ROWS.empty_table())


def test_what_is_there_is_not_missing(store: Store) -> None:
    result = missing(store, photograph("bird.jpg"), photograph("cat.jpg"), photograph("dog.jpg"))
    assert result.missing == (frozenset(EVIDENCE), frozenset(), frozenset({"e2"}))
    assert result.digests == {name: digest(name) for name in ("bird.jpg", "cat.jpg", "dog.jpg")}
    assert result.adopted.num_rows == 0


def test_another_model_has_nothing_of_this_one(store: Store) -> None:
    stored = StoredResults(store, "other", EVIDENCE)
    nothing = find_missing(stored, "other-data", [photograph("cat.jpg")], LOADER, EVIDENCE, frozenset())
    assert nothing.missing == (frozenset(EVIDENCE),)


def test_other_data_of_the_model_give_what_they_have_in_the_words_of_these(store: Store) -> None:
    stored = StoredResults(store, BENCH, EVIDENCE)
    loader = Loader(Transform(), classes=Classes(("a tench", "a goldfish")))
    result = find_missing(stored, f"{BENCH}-data", [photograph("cat.jpg")], loader, EVIDENCE, frozenset())
    assert result.missing == (frozenset(),)
    rows = result.adopted.to_pylist()
    assert {each["bench"] for each in rows} == {f"{BENCH}-data"}
    assert {(each["target"], each["target_name"]) for each in rows} == {(281, "class 281")}


def test_a_photograph_that_has_changed_is_computed_again(store: Store) -> None:
    result = missing(store, photograph("cat.jpg", b"painted over"))
    assert result.missing == (frozenset(EVIDENCE),)
    assert result.digests == {"cat.jpg": digest("painted over")}


def test_a_photograph_that_was_renamed_keeps_its_rows_under_the_new_name(store: Store) -> None:
    result = missing(store, photograph("moved/cat.jpg", b"cat.jpg"), photograph("copy.jpg", b"cat.jpg"))
    assert result.missing == (frozenset(), frozenset())
    adopted = [(each["name"], each["evidence"], each["column"]) for each in result.adopted.to_pylist()]
    names = ("moved/cat.jpg", "copy.jpg")
    assert sorted(adopted) == sorted((name, key, at) for name in names for key in EVIDENCE for at in (0, 1))
    assert result.adopted.schema.equals(ROWS)
    assert set(result.adopted["file"].to_pylist()) == {f"shards/{BENCH}/000000-a.safetensors"}


def test_adopted_rows_are_adopted_once(store: Store) -> None:
    adopted = missing(store, photograph("moved/cat.jpg", b"cat.jpg")).adopted
    store.write_part(f"shards/{BENCH}/adopted-1.parquet", adopted, {})
    for name in ("moved/cat.jpg", "cat.jpg"):
        result = missing(store, photograph(name, b"cat.jpg"))
        assert (result.missing, result.adopted.num_rows) == ((frozenset(),), 0)
    again = missing(store, photograph("third.jpg", b"cat.jpg"))
    assert again.adopted.num_rows == 4, "one row an evidence and column, however often it is there"


@pytest.mark.parametrize("error", [OSError, DataError])
def test_a_photograph_that_cannot_be_read_is_left_for_later(store: Store, error: type[Exception]) -> None:
    def unreadable() -> bytes:
        raise error("gone")

    result = missing(store, Photograph("cat.jpg", unreadable))
    assert (result.missing, result.digests) == ((frozenset(EVIDENCE),), {})


def test_where_the_label_is_explained_another_label_is_computed_again(tmp_path: Path) -> None:
    store = planned(tmp_path)
    rows = [row("cat.jpg", image=digest("cat.jpg"), evidence=key, truth=at) for key, at in (("e1", 1), ("e2", None))]
    commit(store, "000000-a", rows)
    for label, expected in (("goldfish", frozenset[str]()), (1, frozenset()), ("tench", {"e1"}), (None, {"e1"})):
        result = missing(store, photograph("cat.jpg", label=label), labelled=frozenset({"e1"}))
        assert result.missing == (expected,), label


def test_a_damaged_folder_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / f"shards/{BENCH}/000000-a.safetensors").unlink()
    with pytest.raises(StoreError, match=r"000000-a\.safetensors: damaged: no such file"):
        missing(store, photograph("cat.jpg"))
