"""axe-core finds nothing serious on any view, light or dark."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from helpers.browsing import Tab

AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
VIEWS = {
    "grid": "view=grid&controls=true",
    "grid by metric": "view=grid&sort=metric:srg&scale=locked&warning=any",
    "detail": "view=detail",
    "summary": "view=summary",
    "about": "view=about",
}


def violations(tab: Tab) -> list[str]:
    """What axe-core calls serious or critical: the rule, and the elements that break it."""
    tab.run(f"{AXE}; window.axe = axe")
    found = tab.browser.execute_async_script("axe.run().then(arguments[0])")["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:5]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious_is_found(tab: Tab, summary: Path, view: str, theme: str) -> None:
    tab.open(summary, f"{VIEWS[view]}&theme={theme}")
    if view == "summary":
        tab.wait("document.querySelector('x-summary').dataset.drawn === 'true'")
    assert violations(tab) == []


def test_what_is_serious_is_found(tab: Tab, summary: Path) -> None:
    tab.open(summary)
    tab.run("document.querySelector('main').append(document.createElement('img'), document.createElement('select'))")
    assert {text.split(":")[0] for text in violations(tab)} == {"image-alt", "select-name"}
