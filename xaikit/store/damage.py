"""Damage of a run folder: every file read and held against its checksum, and what is damaged dropped, to be made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.errors import DamagedFile, StoreError
from xaikit.store.checksums import KEY, checksum, from_json
from xaikit.store.folder import Folder, folder_of
from xaikit.store.measures import FOLDER as MEASURED
from xaikit.store.owner import PLAN, SHARDS, TRIALS, check_format, check_run, is_of_a_run
from xaikit.store.pages import check_page, run_pages
from xaikit.store.pictures import check_picture, run_pictures
from xaikit.store.sittings import SITTINGS
from xaikit.store.store import MANIFEST, Store
from xaikit.store.tables import VanishedPart, is_own_file, is_sealed_file, read_table, readable


def verify(where: str | Path) -> tuple[DamagedFile, ...]:
    """Read every file of a run folder, a path or URL.

    Returns:
        What is damaged, by file: `xaikit run` with the config of the run makes it anew. Nothing is written.

    Raises:
        StoreError: there is no run in the folder, or one of another version.
    """
    return tuple(damage for damage in examine(store_of_run(where)) if damage is not None)


def store_of_run(where: str | Path) -> Store:
    """The store of a folder that holds a run, damaged or not. Raises StoreError where it holds none of this version."""
    folder = folder_of(where)
    check_run(folder, where)
    try:
        check_format(folder)
    except DamagedFile:
        if not is_of_a_run(folder):
            raise
    return Store(folder)


def examine(store: Store) -> Iterator[DamagedFile | None]:
    """The damage of each file of a run, one after the other; None for each that is whole."""
    for check in _checks(store):
        try:
            check()
        except DamagedFile as damage:
            yield damage
        except VanishedPart:
            yield None
        else:
            yield None


def mend(store: Store) -> tuple[DamagedFile, ...]:
    """Drop what is damaged from a folder that was claimed, so that a run finds it missing and makes it anew.

    Returns:
        What was dropped.

    Raises:
        StoreError: a part is somebody else's file.
    """
    damaged = tuple(damage for damage in examine(store) if damage is not None)
    for damage in damaged:
        _drop(store, damage.file)
    return damaged


def _checks(store: Store) -> Iterator[Callable[[], object]]:
    """Reads every file of a run; parts first, as they say what the files of maps are."""
    folder = store.folder
    yield partial(_check_json, folder, PLAN)
    manifests = [MANIFEST] if folder.size(MANIFEST) is not None else []
    for name in [*manifests, *folder.names(SITTINGS, ".json")]:
        yield partial(_check_json, folder, name)
    for name in store.failure_files():
        yield partial(store.read_failures, name)
    if not _is_unplanned(store):
        yield from (store.trials, store.photographs)
    for part in _parts(store):
        yield partial(store.check_part, part)
    for file, stated in _stated_files(store).items():
        yield partial(_check_maps, store, file, stated)
    for name in folder.names(MEASURED, ".parquet"):
        yield partial(read_table, folder, name)
    for name in run_pictures(folder):
        yield partial(check_picture, folder, name)
    for name in run_pages(folder):
        yield partial(check_page, folder, name)


def _is_unplanned(store: Store) -> bool:
    """Whether a run has taken the folder and has not planned anything yet."""
    try:
        return store.folder.size(PLAN) is not None and not store.plan() and store.folder.size(TRIALS) is None
    except DamagedFile:
        return False


def _check_json(folder: Folder, name: str) -> None:
    with readable(folder, name):
        from_json(folder.read(name))


def _parts(store: Store) -> list[str]:
    """Those of all benches; what lies beside the folders of the benches is not the run's."""
    return [name for name in store.folder.names(SHARDS, ".parquet") if name.count("/") > 1]


def _stated_files(store: Store) -> dict[str, Mapping[str, Any]]:
    """The files of maps, with what the parts that can be read state of them."""
    files: dict[str, Mapping[str, Any]] = {}
    for part in _parts(store):
        try:
            files |= store.files(part)
        except (DamagedFile, VanishedPart):
            continue
    return files


def _check_maps(store: Store, file: str, stated: Mapping[str, Any]) -> None:
    store.check_size(file, stated["bytes"])
    with readable(store.folder, file):
        if checksum(store.folder.read(file)) != stated[KEY]:
            raise ValueError("its content does not match its checksum")


def _drop(store: Store, file: str) -> None:
    if file.endswith(".safetensors"):
        for part in _parts(store):
            if file in store.files(part):
                _forget(store, part, file)
    elif file in _parts(store) and not (is_sealed_file(store.folder, file) or is_own_file(store.folder, file)):
        raise StoreError(
            f"{store.folder}/{file}: expected a part of the run, got a file of somebody else; move it away"
        )
    elif file != PLAN:
        store.folder.remove(file)


def _forget(store: Store, part: str, file: str) -> None:
    """Have a part without the rows whose maps lie in a file."""
    rows = store.rows([part])
    rest = rows.filter(pc.not_equal(rows["file"], pa.scalar(file)))
    if rest.num_rows:
        files = {name: stated for name, stated in store.files(part).items() if name != file}
        name = f"{part.rpartition('/')[0]}/merged-{checksum(f'{part} {file}'.encode())[:16]}.parquet"
        store.write_part(name, rest, {"files": files})
    store.folder.remove(part)
