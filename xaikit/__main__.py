"""``python -m xaikit`` is ``xaikit``."""

from __future__ import annotations

from xaikit.cli import main

if __name__ == "__main__":
    main()
