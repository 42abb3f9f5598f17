"""Who watches a run."""

from __future__ import annotations

from typing import Protocol

from xaikit.runner.planned import Plan
from xaikit.runner.shards import Receipt


class Watcher(Protocol):
    """Whoever wants to see a run proceed."""

    def started(self, plan: Plan) -> None: ...

    def advanced(self, receipt: Receipt) -> None: ...
