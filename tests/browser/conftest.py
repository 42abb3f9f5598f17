"""One Chromium for all tests of the page; where there is none they are skipped, and the reason says how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from helpers.browsing import Tab, find_chromium, start_chromium
from helpers.page_runs import page_run
from xaikit.analysis.ranking import leaderboard
from xaikit.registry import Registry
from xaikit.report.page.document import document
from xaikit.report.page.payload import payload
from xaikit.report.report import Report


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chrome]:
    programs = find_chromium()
    if programs is None:
        pytest.skip("there is no Chromium with its driver: apt-get install chromium chromium-driver")
    browser = start_chromium(*programs)
    yield browser
    browser.quit()


@pytest.fixture
def tab(chromium: Chrome) -> Tab:
    return Tab(chromium)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the run of :func:`helpers.page_runs.page_run`."""
    folder = tmp_path_factory.mktemp("page")
    file = folder / "report.html"
    file.write_text(document(payload([page_run(folder / "run")], Registry().lazy())), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return page_run(tmp_path_factory.mktemp("summary") / "run", photographs=8)


@pytest.fixture(scope="session")
def summary(measured: Report) -> Path:
    file = Path(measured.folder) / "report.html"
    file.write_text(
        document(payload([measured], Registry().lazy(), [leaderboard(measured, draws=500).plain()])), encoding="utf-8"
    )
    return file
