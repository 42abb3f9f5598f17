from pathlib import Path

import pytest

from helpers.run_folders import BENCH, everything, planned
from xaikit.errors import StoreError
from xaikit.store.checksums import to_json
from xaikit.store.rows import Failure


def test_failures_come_back_those_of_all_who_write(tmp_path: Path) -> None:
    store = planned(tmp_path)
    first = Failure(BENCH, "a\udcff\n.jpg", "ab", "e1", "cut short", "Traceback\u2028", 3)
    store.write_failures([first, Failure(BENCH, "b.jpg")])
    store.write_failures([Failure(BENCH, "c.jpg")], "failed-1-of-2.jsonl")
    (tmp_path / "failed-mine.jsonl").write_text("mine")
    assert [each.name for each in store.failures()] == ["c.jpg", "a\udcff\n.jpg", "b.jpg"]
    assert store.failures()[1] == first
    store.write_failures([])
    assert [each.name for each in store.failures()] == ["c.jpg"]


@pytest.mark.parametrize(
    "content",
    [b"{}\n", b"[1]\n", b"{", b"\xff\n", b'{"bench": "a", "name": "b"}', to_json({"bench": "a", "more": 1}).encode()],
)
def test_damaged_failures_are_named(tmp_path: Path, content: bytes) -> None:
    store = planned(tmp_path)
    (tmp_path / "failed.jsonl").write_bytes(content)
    with pytest.raises(StoreError, match=r"failed\.jsonl: damaged: .*; `xaikit run` with the config"):
        store.failures()


def test_no_failures_leave_no_file(tmp_path: Path) -> None:
    planned(tmp_path).write_failures([])
    assert everything(tmp_path) == ["photographs.parquet", "plan.json", "trials.parquet"]
