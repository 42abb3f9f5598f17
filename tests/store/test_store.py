import errno
import math
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from helpers.run_folders import BENCH, commit, everything, maps, planned, row, table, trial, uncommitted
from xaikit.errors import DamagedFile, StoreError
from xaikit.store.atomic import UNFINISHED
from xaikit.store.checksums import from_json, to_json
from xaikit.store.pictures import save_picture
from xaikit.store.rows import ROWS, Failure
from xaikit.store.store import Store
from xaikit.store.tables import VanishedPart, write_table
from xaikit.store.trials import from_table

FILE = f"shards/{BENCH}/000000-a.safetensors"
PART = f"shards/{BENCH}/000000-a.parquet"
PLANNED = ["photographs.parquet", "plan.json", "trials.parquet"]


def committed(folder: Path) -> Store:
    store = planned(folder, names=("cat.jpg", "dog.jpg"))
    commit(store, "000000-a", [row("cat.jpg"), row("dog.jpg")])
    return store


# who may write


def test_a_new_folder_is_made_and_belongs_to_a_run_from_then_on(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "new"
    assert Store.claim(folder).plan() == {}
    (folder / "notes.txt").write_text("mine")
    assert Store.claim(folder).parts() == []
    assert Store.look(folder) is None
    with pytest.raises(StoreError, match="ended before it was planned; run its config again"):
        Store.open(folder)


def test_a_folder_keeps_what_it_has_whatever_is_run_in_it(tmp_path: Path) -> None:
    committed(tmp_path)
    store = planned(tmp_path, [trial("other", evidence="e2")], names=("bird.jpg",))
    assert store.parts() == [PART]
    assert [each.name for each in from_table(store.trials())] == ["other"]
    assert store.photographs()["name"].to_pylist() == ["bird.jpg"]


def test_a_plan_comes_back_with_its_format(tmp_path: Path) -> None:
    planned(tmp_path)
    for stored in (Store.open(str(tmp_path)), Store.look(tmp_path)):
        assert stored is not None
        assert stored.plan() == {"format": 5, "config": {"seed": 0}}


def test_again_removes_what_the_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    store = committed(tmp_path)
    for name in ("overlays/cat.gradcam.png", "pictures/cat.png", "contact-sheet.png"):
        save_picture(store.folder, name, Image.new("RGB", (4, 4)))
    store.write_failures([Failure(BENCH, "bad.jpg")])
    store.write_failures([Failure(BENCH, "bad.jpg")], "failed-2-of-3.jsonl")
    store.write_manifest({"seed": 0})
    (tmp_path / "shards" / BENCH / "torn.safetensors").write_bytes(b"torn")
    (tmp_path / "shards" / BENCH / "torn.parquet").write_bytes(b"torn")
    mine = ["notes.txt", "overlays/copy.png", "overlays/figure.png", "failed-notes.jsonl", "shards/mine.parquet"]
    mine += ["shards/mine.safetensors", "shards/readme.md", "more/failed.jsonl"]
    (tmp_path / "more").mkdir()
    for name in ("notes.txt", "failed-notes.jsonl", "more/failed.jsonl", "shards/readme.md"):
        (tmp_path / name).write_text("mine")
    Image.new("RGB", (4, 4)).save(tmp_path / "overlays" / "figure.png")
    (tmp_path / "overlays" / "copy.png").write_bytes((tmp_path / "overlays" / "cat.gradcam.png").read_bytes())
    save_file({"weight": torch.ones(2)}, tmp_path / "shards" / "mine.safetensors")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "shards" / "mine.parquet")
    assert Store.claim(tmp_path, again=True).plan() == {}
    assert everything(tmp_path) == sorted([*mine, "plan.json"])
    assert Store.claim(tmp_path).failures() == (), "files of somebody are no reason to refuse what was begun anew"


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_of_somebody_else_is_refused_and_untouched(tmp_path: Path, again: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"one with other files \('thesis.tex'\) and no plan.json.*report.to"):
        Store.claim(tmp_path, again=again)
    assert everything(tmp_path) == ["thesis.tex"]


FOREIGN = {
    "manifest.json": '{"files": ["a"]}',
    "failed.jsonl": '{"exam": "maths"}\n',
    "photographs.parquet": "mine",
    "trials.parquet": "mine",
    "shards/a/b.parquet": "mine",
    "pictures/cat.png": "mine",
    "sittings/one.json": "[1]",
}


def write_foreign(folder: Path, names: Collection[str] = tuple(FOREIGN)) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(FOREIGN[name])


@pytest.mark.parametrize("plan", ['{"format": "A4", "rooms": 3}', "[]", "{}", "notes on the plan", "3"])
def test_beginning_anew_removes_nothing_from_a_folder_of_somebody_else(tmp_path: Path, plan: str) -> None:
    write_foreign(tmp_path)
    (tmp_path / "plan.json").write_text(plan)
    before = {name: (tmp_path / name).read_bytes() for name in everything(tmp_path)}
    with pytest.raises(
        StoreError, match=r"plan\.json no run wrote; nothing was removed, name another folder in report\.to"
    ):
        Store.claim(tmp_path, again=True)
    assert {name: (tmp_path / name).read_bytes() for name in everything(tmp_path)} == before


def test_beginning_anew_keeps_files_of_others_that_are_called_as_those_of_a_run(tmp_path: Path) -> None:
    committed(tmp_path)
    names = ("manifest.json", "failed.jsonl", "sittings/one.json")
    write_foreign(tmp_path, names)
    Store.claim(tmp_path, again=True)
    assert everything(tmp_path) == sorted([*names, "plan.json"])


@pytest.mark.parametrize("damage", [b"", b"\0" * 90, b'{"format": 5, "conf'])
def test_beginning_anew_helps_where_the_plan_is_damaged(tmp_path: Path, damage: bytes) -> None:
    committed(tmp_path)
    (tmp_path / "plan.json").write_bytes(damage)
    assert Store.claim(tmp_path, again=True).plan() == {}
    assert everything(tmp_path) == ["plan.json"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StoreError, match="expected a folder for the run, got a file"):
        Store.claim(tmp_path / "run")


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot be written to: .*name another folder in report\.to"):
        Store.claim(tmp_path / "file" / "run")


DAMAGED = [
    (b"{", "Expecting"),
    (b"\xff", "can't decode"),
    (b"[]", "a mapping, got list"),
    (b"", "Expecting"),
    (b'{"format": 5}', "does not match its checksum"),
    (to_json({"format": 5, "config": {"seed": 0}}).replace("0", "1", 1).encode(), "does not match its checksum"),
]


@pytest.mark.parametrize(("content", "message"), DAMAGED)
def test_a_damaged_plan_is_named_and_made_anew(tmp_path: Path, content: bytes, message: str) -> None:
    committed(tmp_path)
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(DamagedFile, match=rf"plan\.json: damaged: .*{message}.*; `xaikit run` with the config"):
        Store.open(tmp_path)
    assert Store.look(tmp_path) is not None
    assert Store.claim(tmp_path).plan() == {}
    assert planned(tmp_path).parts() == [PART]


def test_a_lost_plan_is_made_anew(tmp_path: Path) -> None:
    committed(tmp_path)
    (tmp_path / "plan.json").unlink()
    with pytest.raises(DamagedFile, match=r"plan\.json: damaged: no such file; `xaikit run`"):
        Store.open(tmp_path)
    assert planned(tmp_path).parts() == [PART]


def test_a_plan_that_cannot_be_read_and_may_be_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("my plan")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "trials.parquet")
    for take in (Store.claim, Store.open):
        with pytest.raises(StoreError, match=r"plan\.json: damaged"):
            take(tmp_path)
    (tmp_path / "plan.json").write_bytes(bytes(40))
    assert Store.claim(tmp_path).plan() == {}, "so it is after a loss of power"


def test_a_run_of_another_version_is_refused_and_begun_anew_when_asked(tmp_path: Path) -> None:
    committed(tmp_path)
    (tmp_path / "plan.json").write_text('{"format": 1}')
    for take in (Store.claim, Store.open):
        with pytest.raises(StoreError, match=r"expected a run of format 5, got 1: .*--force to begin this one anew"):
            take(tmp_path)
    assert Store.look(tmp_path) is None
    assert Store.claim(tmp_path, again=True).parts() == []


def test_only_a_run_opens(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected the folder of a run, got one without plan\.json"):
        Store.open(tmp_path)
    assert Store.look(tmp_path / "absent") is None


# maps and rows


def test_maps_and_rows_come_back(tmp_path: Path) -> None:
    raw = maps(2)
    rows = [row("cat.jpg", warnings=["layer4: zero map"]), row("dog.jpg", target=None, probability=math.inf)]
    commit(planned(tmp_path), "000000-a", rows, raw)
    store = Store.open(tmp_path)
    written = [{**each, "file": FILE, "row": at} for at, each in enumerate(rows)]
    assert uncommitted(store.rows([PART])) == written
    assert store.rows([PART], ["name"]).to_pydict() == {"name": ["cat.jpg", "dog.jpg"]}
    assert store.evidence(PART) == {"e1"}
    assert (store.rows([]).schema, store.rows([]).num_rows) == (ROWS, 0)
    for at, stored in enumerate(store.maps(store.rows([PART]).to_pylist(), (key for key in raw))):
        for key, values in raw.items():
            torch.testing.assert_close(
                torch.from_numpy(stored[key]), values[at], rtol=0, atol=2**-11 * float(values.abs().max())
            )


def test_the_same_maps_and_rows_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 7)
    for name in ("one", "two"):
        committed(tmp_path / name)
    assert everything(tmp_path / "one") == [*PLANNED[:2], PART, FILE, PLANNED[2]]
    for file in everything(tmp_path / "one"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_rows_are_written_last_and_maps_without_them_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = planned(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write_part", killed)
        with pytest.raises(KeyboardInterrupt):
            commit(store, "000000-a", [row()])
    assert (tmp_path / FILE).is_file()
    assert store.parts() == []
    commit(store, "000000-a", [row()])
    assert store.parts() == [PART]


def test_the_parts_of_one_bench_are_its_own(tmp_path: Path) -> None:
    store = committed(tmp_path)
    commit(store, "000000-a", [row()], bench="bench10")
    assert store.parts(BENCH) == [PART]
    assert store.parts() == [PART, "shards/bench10/000000-a.parquet"]


def test_a_row_never_gives_the_maps_of_another_photograph(tmp_path: Path) -> None:
    store = committed(tmp_path)
    _, dog = store.rows([PART]).to_pylist()
    assert store.maps([dog], ["q1/layer3", "q1/layer4"])[0]["q1/layer3"].shape == (1, 4, 4)
    commit(store, "000000-a", [row("bird.jpg"), row("dog.jpg")], maps(2, seed=1))
    with pytest.raises(DamagedFile, match="do not match the checksum of their row"):
        store.maps([dog], ["q1/layer3", "q1/layer4"])


def test_a_folder_whose_name_reads_like_a_column_is_read(tmp_path: Path) -> None:
    store = committed(tmp_path / "seed=7" / "column=9")
    assert store.rows(store.parts())["column"].to_pylist() == [0, 0]
    assert store.trials()["seed"].to_pylist() == [0]


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 64], ids=["empty", "short", "garbage"])
def test_damaged_files_are_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    store = committed(tmp_path)
    (stored, _) = store.rows([PART]).to_pylist()
    for name in (PART, FILE, "trials.parquet"):
        (tmp_path / name).write_bytes(content)
    again = "`xaikit run` with the config of the run makes it anew"
    for read in (lambda: store.rows([PART]), lambda: store.about(PART), lambda: store.check(BENCH)):
        with pytest.raises(DamagedFile, match=rf"000000-a\.parquet: damaged: .*; {again}"):
            read()
    with pytest.raises(DamagedFile, match=rf"000000-a\.safetensors: damaged: .*; {again}"):
        store.maps([stored], maps())
    with pytest.raises(DamagedFile, match=rf"trials\.parquet: damaged: .*; {again}"):
        store.trials()


def test_maps_that_are_missing_or_cut_short_are_found_before_anything_is_computed(tmp_path: Path) -> None:
    store = committed(tmp_path)
    store.check(BENCH)
    size = (tmp_path / FILE).stat().st_size
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-4])
    with pytest.raises(StoreError, match=rf"safetensors: damaged: expected {size} bytes, got {size - 4}; `xaikit run`"):
        store.check(BENCH)
    (tmp_path / FILE).unlink()
    with pytest.raises(StoreError, match="no such file"):
        store.check(BENCH)


def test_maps_that_a_row_does_not_know_are_an_error(tmp_path: Path) -> None:
    store = committed(tmp_path)
    cat, dog = store.rows([PART]).to_pylist()
    for keys, each in (
        (["q9/layer3"], cat),
        (["q1/layer3"], cat),
        (maps(), {**cat, "row": 9}),
        (maps(), {**cat, "row": 1}),
    ):
        with pytest.raises(DamagedFile, match=r"000000-a\.safetensors: damaged: .*`xaikit run`"):
            store.maps([each], keys)
    assert store.maps([dog], maps())[0].keys() == maps().keys()


def test_what_the_machine_refuses_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = committed(tmp_path)
    (cat, _) = store.rows([PART]).to_pylist()
    reads = (
        lambda: store.rows([PART]),
        lambda: store.about(PART),
        store.trials,
        store.plan,
        lambda: store.maps([cat], maps()),
    )
    for refusal in (
        MemoryError(),
        RuntimeError("can't start new thread"),
        OSError(errno.EMFILE, "too many"),
        OSError(errno.ENOMEM, ""),
    ):

        def refused(*_: object, error: BaseException = refusal, **__: object) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(type(store.folder), "read", refused)
            patched.setattr(type(store.folder), "open", refused)
            patched.setattr("xaikit.store.maps.safe_open", refused)
            for read in reads:
                with pytest.raises(type(refusal)) as raised:
                    read()
                assert raised.value is refusal


def test_a_part_that_was_merged_meanwhile_is_not_called_damaged(tmp_path: Path) -> None:
    store = committed(tmp_path)
    (tmp_path / PART).unlink()
    for read in (lambda: store.rows([PART]), lambda: store.about(PART)):
        with pytest.raises(
            VanishedPart, match="merged into another part while it was to be read; open the folder again"
        ):
            read()


def test_a_foreign_part_is_named(tmp_path: Path) -> None:
    store = committed(tmp_path)
    pq.write_table(table([row()]), tmp_path / "shards" / BENCH / "foreign.parquet")
    with pytest.raises(StoreError, match=r"foreign\.parquet: damaged"):
        store.check(BENCH)


# the manifest, and being killed


def test_the_manifest_comes_back_and_is_empty_before(tmp_path: Path) -> None:
    store = planned(tmp_path)
    assert store.manifest() == {}
    store.write_manifest({"seed": 0, "counts": {"forwards": 2}})
    assert Store.open(tmp_path).manifest() == {"seed": 0, "counts": {"forwards": 2}}


def test_what_a_killed_run_left_unfinished_is_ignored_and_swept(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.getpid", lambda: 2**40)
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        patched.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(StoreError, match="killed"):
            Store.claim(tmp_path)
    (torn,) = everything(tmp_path)
    assert torn.endswith(f".{2**40}{UNFINISHED}")
    committed(tmp_path)
    (tmp_path / "shards" / torn).write_bytes(b"half")
    assert Store.open(tmp_path).parts() == [PART]
    assert (tmp_path / "shards" / torn).exists(), "reading a run that may be going on removes nothing"
    Store.claim(tmp_path)
    assert everything(tmp_path) == [*PLANNED[:2], PART, FILE, PLANNED[2]]


def test_a_plan_that_was_not_finished_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.claim(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(
            "xaikit.store.store.write_table",
            lambda folder, name, table: write_table(folder, name, table) if "tri" in name else 1 / 0,
        )
        with pytest.raises(ZeroDivisionError):
            store.write_plan({}, table([]), table([]))
    assert everything(tmp_path) == ["plan.json", "trials.parquet"]
    assert from_json((tmp_path / "plan.json").read_text()) == {"format": 5, "planned": False}
    assert planned(tmp_path).plan()["config"] == {"seed": 0}
