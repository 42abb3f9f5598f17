"""The command line. Nothing here imports torch: a command imports what it needs when it runs."""

from __future__ import annotations

from xaikit.cli.entry import main

__all__ = ["main"]
