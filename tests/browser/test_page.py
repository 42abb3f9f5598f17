"""A page opens from the disk, asks nobody for anything and shows what the run has."""

from __future__ import annotations

from pathlib import Path

from helpers.browsing import Tab
from helpers.page_runs import LABELS


def test_it_opens_from_the_disk_and_asks_nobody_for_anything(tab: Tab, page: Path) -> None:
    tab.open(page)
    assert tab.errors() == []
    assert [url.partition("#")[0] for url in tab.requests()] == [page.as_uri()]
    assert "default-src 'none'" in tab.run("return document.querySelector('meta[http-equiv]').content")


def test_what_is_not_of_the_page_is_not_loaded(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.run("const image = new Image(); image.src = 'file:///etc/hostname'; document.body.append(image)")
    tab.run(
        "const script = document.createElement('script'); script.textContent = 'window.hit = 1'; document.body.append(script)"
    )
    assert tab.run("return window.hit ?? null") is None
    assert len([message for message in tab.errors() if "Content Security Policy" in message]) == 2


def test_the_grid_has_a_line_a_photograph_and_a_column_a_label(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.wait("document.querySelectorAll('x-grid .cell .view').length === 12")
    heads = tab.texts("x-grid [role=columnheader]")
    assert [next(head for head in heads if label in head) for label in LABELS]
