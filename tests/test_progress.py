from __future__ import annotations

import io

from rich.console import Console

from xaikit.planning import Plan
from xaikit.progress import Progress

PLAN = Plan("net", "cpu", 4, 2, (), (), 0)


def watched(terminal: bool) -> str:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=terminal, width=100)) as progress:
        progress.started(PLAN, done=1)
        progress.advanced(2)
        progress.advanced(1)
    return out.getvalue()


def test_a_bar_in_a_terminal() -> None:
    text = watched(terminal=True)
    assert "photographs" in text
    assert "4/4" in text


def test_no_bar_without_one() -> None:
    text = watched(terminal=False)
    assert "1 of 4 photographs are done already" in text
    assert "━" not in text
