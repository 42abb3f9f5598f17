"""A run in a notebook: the page itself, in a frame that reaches nothing of what is around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.browsing import Tab
from helpers.page_runs import page_run
from xaikit.report.page import embedded
from xaikit.report.report import Report

HOSTILE = "photos/</iframe>'\"><script>parent.hit = 1</script>&amp;.jpg"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return page_run(
        tmp_path_factory.mktemp("notebook") / "run", names=[HOSTILE, *(f"photos/{k}.jpg" for k in range(11))]
    )


@pytest.fixture
def frame(tab: Tab, run: Report, tmp_path: Path) -> Iterator[Tab]:
    file = tmp_path / "notebook.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><title>notebook</title>{run._repr_html_()}", encoding="utf-8")
    tab.browser.get("about:blank")
    tab.requests(), tab.errors()
    tab.browser.get(file.as_uri())
    tab.browser.switch_to.frame(0)
    tab.wait("document.documentElement.dataset.ready === 'true'")
    yield tab
    tab.browser.switch_to.default_content()


def test_it_shows_the_first_photographs_and_says_so(frame: Tab) -> None:
    assert frame.texts("h1") == ["run: the first 8 of 12 photographs"]
    assert len(frame.run("return document.querySelector('x-summary').shown.keys")) == 8
    frame.wait("[...document.querySelectorAll('x-grid canvas')].some((each) => each.drawn)")
    assert frame.errors() == []


def test_its_controls_and_views_work(frame: Tab) -> None:
    frame.run("document.querySelector('x-summary').shown.open({ view: 'summary', theme: 'dark' })")
    frame.wait("document.querySelector('x-summary').dataset.drawn === 'true'")
    frame.run("document.querySelector('x-summary .kind-wrong').click()")
    assert frame.run("return document.querySelector('x-summary').shown.state.view") == "grid"
    assert "photographs=" in frame.hash
    assert frame.errors() == []


def test_it_reaches_nothing_around_it_and_asks_nobody_for_anything(frame: Tab) -> None:
    assert frame.run("try { return parent.document.title } catch (error) { return error.name }") == "SecurityError"
    assert len(frame.requests()) == 1
    frame.browser.switch_to.default_content()
    assert frame.run("return [window.hit ?? null, document.title, document.scripts.length]") == [None, "notebook", 0]


def test_it_is_no_larger_than_a_notebook_bears(run: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run._repr_html_()
    monkeypatch.setattr(embedded, "MOST_BYTES", len(whole) - 1)
    assert "the first 4 of 12 photographs" in run._repr_html_()
    assert len(run._repr_html_()) < len(whole) < 2_000_000
