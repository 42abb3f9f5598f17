"""Many small parts made into few large ones; the maps stay where they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xaikit.store.store import SHARDS, Store
from xaikit.store.tables import read_footer, writable


def compact(store: Store, bench_keys: Iterable[str], *, rows_per_part: int = 500_000) -> int:
    """Merge the parts of each bench into parts of at most ``rows_per_part`` rows, and remove those that were merged.

    A merged part is there, whole, before those in it are removed, and hides them until then: whoever opens the folder meanwhile
    sees every row once; who has it open may find parts gone and has to open it again. A second time does nothing, unless there
    are new parts.

    Returns:
        How many parts were merged.

    Raises:
        StoreError: a part is damaged, or the folder cannot be written to.
    """
    with writable(store.folder):
        return sum(_compact(store, bench, rows_per_part) for bench in dict.fromkeys(bench_keys))


def _compact(store: Store, bench: str, most: int) -> int:
    # what an earlier compaction was killed over is hidden by one part only, which may be merged now
    files, parts = store.folder.names(f"{SHARDS}/{bench}", ".parquet"), store.parts(bench)
    _remove(store, [name for name in files if name not in parts])
    merged = 0
    for group in _groups(store, parts, most):
        _merge(store, bench, group)
        _remove(store, group)
        merged += len(group)
    return merged


@dataclass
class _Bin:
    rows: int = 0
    parts: list[str] = field(default_factory=list)


def _groups(store: Store, parts: Sequence[str], most: int) -> list[list[str]]:
    """Each part goes to the first group that has room for it. No two groups fit into one then, so that they stay as they are
    the next time."""
    bins: list[_Bin] = []
    for part in parts:
        count = read_footer(store.folder, part).num_rows
        roomy = next((each for each in bins if each.rows + count <= most), None)
        if roomy is None:
            bins.append(roomy := _Bin())
        roomy.rows += count
        roomy.parts.append(part)
    return [each.parts for each in bins if len(each.parts) > 1]


def _merge(store: Store, bench: str, parts: Sequence[str]) -> None:
    files = {file: size for part in parts for file, size in store.files(part).items()}
    digest = hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()[:16]
    name = f"{SHARDS}/{bench}/merged-{digest}.parquet"
    store.write_part(name, store.rows(parts), {"replaces": list(parts), "files": files})


def _remove(store: Store, parts: Iterable[str]) -> None:
    for part in parts:
        store.folder.remove(part)
