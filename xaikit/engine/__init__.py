"""Many requests explained from one pass."""

from __future__ import annotations

from xaikit.engine.requests import Batch, Request
from xaikit.engine.session import explain

__all__ = ["Batch", "Request", "explain"]
