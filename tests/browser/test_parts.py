"""A page of many photographs: their maps lie beside it, and are loaded when somebody looks at them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.browsing import Tab
from helpers.page_runs import LABELS, page_run
from xaikit.registry import Registry
from xaikit.report.page.document import document, files_of
from xaikit.report.page.payload import payload
from xaikit.store.folder import Disk
from xaikit.store.pages import run_pages, save_pages

COUNT = 12


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    report = page_run(tmp_path / "run", photographs=COUNT)
    save_pages(Disk(tmp_path / "run"), files_of(payload([report], Registry().lazy(), together=3)))
    return tmp_path / "run" / "report.html"


def scripts(tab: Tab) -> set[str]:
    """The files that were loaded since the page was opened."""
    return {Path(url.partition("#")[0]).name for url in tab.requests()} - {"report.html"}


def test_what_is_in_view_is_loaded_and_looks_as_in_one_file(tab: Tab, parted: Path, tmp_path: Path) -> None:
    tab.open(parted, "side=320")
    cell = "x-grid .line:nth-child(3) .cell .view"
    tab.wait(f"document.querySelector('{cell}')")
    pixel = tab.pixel(cell, 0.15, 0.3)
    loaded = scripts(tab)
    assert "report-0.js" in loaded
    assert "report-3.js" not in loaded
    tab.run("document.querySelector('x-grid .line:last-child').scrollIntoView()")
    tab.wait("document.querySelector('x-grid .line:last-child canvas')")
    assert "report-3.js" in scripts(tab)
    assert tab.errors() == []
    whole = tmp_path / "whole.html"
    report = page_run(tmp_path / "other" / "run", photographs=COUNT)
    whole.write_text(document(payload([report], Registry().lazy())), encoding="utf-8")
    tab.open(whole, "side=320")
    assert tab.pixel(cell, 0.15, 0.3) == pixel


def test_disagreement_is_that_of_all_photographs(tab: Tab, parted: Path) -> None:
    tab.open(parted, "sort=disagreement&down=true")
    tab.wait(f"document.querySelectorAll('x-grid .name .sorted').length === {COUNT}")
    values = [float(text) for text in tab.texts("x-grid .name .sorted")]
    assert values == sorted(values, reverse=True)
    assert len(scripts(tab)) == 4


def test_the_detail_loads_its_photograph_and_the_summary_all(tab: Tab, parted: Path) -> None:
    tab.open(parted, "view=detail&key=0%0Aphotos%2Ftabby_6.jpg")
    tab.wait("document.querySelector('x-detail figure')")
    assert tab.texts("x-detail .headline h2") == ["tabby_6.jpg"]
    assert scripts(tab) == {"report-2.js"}
    tab.click("#tab-summary")
    tab.wait("document.querySelector('x-summary').children.length")
    assert scripts(tab) == {"report-0.js", "report-1.js", "report-3.js"}


def test_what_is_lost_is_said(tab: Tab, parted: Path) -> None:
    (parted.parent / "report" / "report-0.js").unlink()
    tab.open(parted)
    tab.wait("document.querySelector('.status').textContent.includes('report-0.js is not beside this page')")


def test_a_smaller_page_removes_what_it_does_not_need(parted: Path) -> None:
    folder = Disk(parted.parent)
    (parted.parent / "report" / "mine.js").write_text("mine")
    assert run_pages(folder) == ["report.html", "report/mine.js", *(f"report/report-{at}.js" for at in range(4))]
    report = page_run(parted.parents[1] / "small", photographs=1, labels=LABELS[:1])
    save_pages(folder, files_of(payload([report], Registry().lazy())))
    assert run_pages(folder) == ["report.html", "report/mine.js"]
