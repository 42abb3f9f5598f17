"""Names to plugins, found by entry points and loaded one at a time."""

from __future__ import annotations

from xaikit.registry.declarations import needs_of, paper_of, traits_of
from xaikit.registry.kinds import KINDS, Kind, check_class
from xaikit.registry.registry import Entry, Plugin, Registry

__all__ = ["KINDS", "Entry", "Kind", "Plugin", "Registry", "check_class", "needs_of", "paper_of", "traits_of"]
