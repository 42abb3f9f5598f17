"""What a page reads of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from xaikit.report.index import Index
from xaikit.store.rows import Failure
from xaikit.store.trials import StoredTrial

if TYPE_CHECKING:
    from torch import Tensor

    from xaikit.finish import Finish


class PagedRun(Protocol):
    """A run as :class:`xaikit.Report` reads it, which itself is shown by a page in notebooks."""

    folder: Path | str
    index: Index

    @property
    def trials(self) -> tuple[StoredTrial, ...]: ...
    @property
    def manifest(self) -> dict[str, Any]: ...
    @property
    def failures(self) -> tuple[Failure, ...]: ...
    @property
    def stopped(self) -> str: ...
    @property
    def measures(self) -> pa.Table: ...
    def raws(self, trial: StoredTrial, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Tensor]]: ...
    def finish_all(self, trial: StoredTrial, several: Sequence[Mapping[str, Tensor]]) -> Tensor: ...
    def finish_of(self, trial: StoredTrial) -> Finish: ...
