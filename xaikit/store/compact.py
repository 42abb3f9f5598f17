"""Many small parts made into few large ones; the maps stay where they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.store.doubles import PLACE, SAME, older, placed
from xaikit.store.measures import measure_parts, merge_measures
from xaikit.store.store import SHARDS, Store
from xaikit.store.tables import read_footer, writable


def compact(store: Store, bench_keys: Iterable[str], *, rows_per_part: int = 500_000) -> int:
    """Merge the parts of each bench, and those of its measures, into parts of at most ``rows_per_part`` rows, and remove those
    that were merged.

    Of rows that say the same of the same picture the newest is kept. A merged part is there, whole, before those in it are
    removed: whoever opens the folder meanwhile sees every row once, as it does where this is killed; who has it open may find
    parts gone and has to open it again. A second time does nothing, unless there are new parts.

    Returns:
        How many parts were merged.

    Raises:
        StoreError: a part is damaged, or the folder cannot be written to.
    """
    with writable(store.folder):
        return sum(_compact(store, bench, rows_per_part) for bench in dict.fromkeys(bench_keys))


def _compact(store: Store, bench: str, most: int) -> int:
    kinds = (
        (store.parts(bench), partial(_merge, store, bench)),
        (measure_parts(store.folder, bench), partial(merge_measures, store.folder, bench)),
    )
    merged = 0
    for parts, merge in kinds:
        for group in _groups(store, parts, most):
            name = merge(group)
            for part in group:
                if part != name:
                    store.folder.remove(part)
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


def _merge(store: Store, bench: str, parts: Sequence[str]) -> str:
    """Write the rows of some parts as one; gives its name, which says what is in it."""
    files = {file: size for part in parts for file, size in store.files(part).items()}
    rows = store.rows(parts)
    # of a picture that was edited, or whose label was, rows are kept of all that it has been
    doubled = older(placed(rows, ""), (*SAME, "image", "truth"))[PLACE]
    rows = rows.filter(pc.invert(pc.is_in(pa.array(range(rows.num_rows), pa.int64()), doubled.combine_chunks())))
    about = [store.about(part) for part in parts]
    digest = hashlib.sha256(json.dumps([list(parts), about, rows["commit"].to_pylist()]).encode()).hexdigest()[:16]
    name = f"{SHARDS}/{bench}/merged-{digest}.parquet"
    store.write_part(name, rows, {"files": files})
    return name
