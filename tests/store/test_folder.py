import sys
import uuid
from pathlib import Path

import pytest
from PIL import Image

from helpers.run_folders import commit, maps, planned, row
from xaikit.errors import StoreError
from xaikit.store.folder import Disk, Folder, Remote, folder_of
from xaikit.store.pictures import open_picture, save_picture
from xaikit.store.store import Store


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return folder_of(tmp_path / "run" if request.param == "disk" else f"memory://{uuid.uuid4().hex}/run/")


def put(folder: Folder, name: str, content: bytes = b"content") -> None:
    with folder.write(name) as file:
        file.write(content)


def test_files_come_back_with_their_sizes_and_sorted_names(folder: Folder) -> None:
    for name in ("b/two.png", "b/a/one.png", "top.json"):
        put(folder, name)
    assert folder.read("b/two.png") == b"content"
    with folder.open("b/two.png") as file:
        assert (file.read(4), file.read()) == (b"cont", b"ent")
    assert [folder.size(name) for name in ("top.json", "absent", "b")] == [7, None, None]
    assert folder.names() == ["b/a/one.png", "b/two.png", "top.json"]
    assert folder.names("b", ".png") == ["b/a/one.png", "b/two.png"]
    assert folder.first() == "b"


def test_a_folder_that_is_not_there_is_empty(folder: Folder) -> None:
    assert (folder.names(), folder.names("shards", ".parquet"), folder.first()) == ([], [], None)


def test_a_file_is_replaced_whole_or_not_at_all(folder: Folder) -> None:
    put(folder, "file", b"old")
    with pytest.raises(TypeError, match="bytes-like"), folder.write("file") as file:
        file.writelines([b"half", "other half"])  # type: ignore[list-item]
    assert folder.read("file") == b"old"
    put(folder, "file", b"new")
    assert folder.read("file") == b"new"


def test_removing_is_for_what_is_there(folder: Folder) -> None:
    put(folder, "file")
    for _ in range(2):
        folder.remove("file")
    folder.sweep()
    assert folder.names() == []


def test_a_neighbour_whose_name_begins_alike_is_another_folder() -> None:
    address = f"memory://{uuid.uuid4().hex}"
    put(folder_of(f"{address}/run2"), "file")
    assert folder_of(f"{address}/run").names() == []


def test_what_is_what(tmp_path: Path) -> None:
    assert folder_of(tmp_path) == Disk(tmp_path)
    assert folder_of(f"file://{tmp_path}/a%20b") == Disk(tmp_path / "a b")
    for address in ("file:///x/f%231#1?x", "FILE:///x/f#1#1?x", "file://localhost/x/f#1#1?x", "file:/x/f#1#1?x"):
        assert folder_of(address) == Disk(Path("/x/f#1#1?x"))
    assert folder_of("memory://") == Remote("memory://")
    assert folder_of("s3://bucket/run/") == Remote("s3://bucket/run")
    assert str(folder_of("s3://bucket/run/")) == "s3://bucket/run"


def test_what_is_no_folder_is_refused() -> None:
    for where in (None, 3, b"run"):
        with pytest.raises(StoreError, match=f"expected a run folder, its path or URL, got {type(where).__name__}"):
            folder_of(where)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["file://runs/run", "file:run", "file:"])
def test_an_address_of_files_is_of_this_machine_from_its_root(address: str) -> None:
    with pytest.raises(StoreError, match=f"expected file:///folder, got {address}"):
        folder_of(address)


@pytest.mark.parametrize("address", ["y" * 300, "none/" + "y" * 300, "a\0b", "a/" * 3000, "zip://{tmp}/m"])
def test_what_the_system_takes_for_no_path_is_said_so(address: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be opened: .*; name another folder in report.to"):
        Store.check_free(address.format(tmp=tmp_path))


def test_a_remote_folder_without_fsspec_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(StoreError, match=r"s3://bucket/run: a remote folder needs fsspec: pip install 'xaikit\[s3\]'"):
        Store.claim("s3://bucket/run")


def test_a_protocol_that_nobody_knows_is_refused() -> None:
    with pytest.raises(StoreError, match="nowhere://run: cannot be opened: Protocol not known"):
        Store.claim("nowhere://run")


def test_a_run_lives_in_a_remote_folder() -> None:
    address = f"memory://{uuid.uuid4().hex}/run"
    raw = maps(2)
    commit(planned(address, names=("cat.jpg", "dog.jpg")), "000000-a", [row("cat.jpg"), row("dog.jpg")], raw)
    store = Store.open(address)
    (part,) = store.parts()
    assert store.rows([part])["name"].to_pylist() == ["cat.jpg", "dog.jpg"]
    _, decoded = store.maps(store.rows([part]).to_pylist(), raw)
    for key, each in decoded.items():
        assert abs(each - raw[key][1].numpy()).max() <= 2**-11 * raw[key].abs().max()
    store.check("bench1")
    save_picture(store.folder, "contact-sheet.png", Image.new("RGB", (2, 2)))
    assert open_picture(store.folder, "contact-sheet.png") is not None
    again = Store.claim(address, again=True)
    assert again.folder.names() == ["plan.json"]
    assert again.plan() == {}


def test_a_remote_folder_of_somebody_else_is_refused() -> None:
    address = f"memory://{uuid.uuid4().hex}/thesis"
    put(folder_of(address), "chapters/one.tex")
    with pytest.raises(StoreError, match=r"one with other files \('chapters'\) and no plan\.json"):
        Store.claim(address)


@pytest.mark.parametrize("name", ["../other.png", "shards/../../other.png", "/etc/passwd", "a\\..\\..\\b", "a\0b"])
def test_no_file_of_another_place_is_touched(folder: Folder, name: str) -> None:
    for touch in (folder.read, folder.open, folder.size, folder.names, folder.remove, lambda name: put(folder, name)):
        with pytest.raises(StoreError, match="expected the name of a file in this folder, got"):
            touch(name)


def test_a_tilde_is_the_home_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder_of("~/runs/x") == folder_of(Path("~/runs/x")) == Disk(tmp_path / "runs" / "x")
    assert folder_of("./~/x") == Disk(Path("~/x"))
    with pytest.raises(StoreError, match=r"^~nobody-of-that-name/x: .*write the folder in full, or \./~nobody"):
        folder_of("~nobody-of-that-name/x")
