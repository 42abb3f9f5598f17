"""Who watches a run."""

from __future__ import annotations

import warnings
from typing import Protocol

from xaikit.planning.planned import Plan
from xaikit.planning.shards import Receipt


class Watcher(Protocol):
    """Whoever wants to see a run proceed."""

    def started(self, plan: Plan) -> None: ...

    def progressed(self, photographs: float) -> None:
        """So many photographs of the current shard are done, a part of one included. Asked for in this process alone."""

    def advanced(self, receipt: Receipt) -> None:
        """A shard was committed."""

    def stopping(self, message: str) -> None:
        """A signal came; what is done about it. Called while anything else may be going on."""

    def warned(self, message: str) -> None:
        """An observer of the run raised."""


class Unwatched:
    """Nobody."""

    def started(self, plan: Plan) -> None: ...

    def progressed(self, photographs: float) -> None: ...

    def advanced(self, receipt: Receipt) -> None: ...

    def stopping(self, message: str) -> None: ...

    def warned(self, message: str) -> None:
        warnings.warn(message, stacklevel=2)
