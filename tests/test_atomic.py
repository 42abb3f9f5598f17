from pathlib import Path

import pytest

from xaikit.atomic import UNFINISHED, sweep, whole


def test_a_file_is_replaced_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for content in (b"first", b"second"):
        with whole(path) as file:
            file.write(content)
            assert not path.exists() or path.read_bytes() == b"first"
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match="bytes-like"), whole(path) as file:
        file.writelines([b"half of the n", "ew file"])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_takes_only_what_was_left_unfinished(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for name in (f".run.json.17{UNFINISHED}", f"maps/.cat.safetensors.17{UNFINISHED}", ".hidden", "maps/mine.tmp"):
        (tmp_path / name).write_bytes(b"")
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden", "maps", "mine.tmp"]
