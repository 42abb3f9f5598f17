"""The many small parts of a run, merged into few."""

from __future__ import annotations

from pathlib import Path

from xaikit.report.index import Index
from xaikit.store.compact import compact as merge_parts
from xaikit.store.lease import COMPACT, leased
from xaikit.store.store import Store


def compact(folder: str | Path) -> int:
    """Merge the many small parts of a run into few; gives how many were merged.

    Raises:
        StoreError: there is no run in the folder, it is damaged, or somebody writes to it.
    """
    store = Store.open(folder)
    with leased(store.folder, COMPACT):
        return merge_parts(store, dict.fromkeys(trial.bench for trial in Index(store).trials))
