"""Whatever files, classes, labels and configs are called, a page shows it as text, from the disk and from `xaikit view`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import page_runs
from helpers.browsing import Tab
from xaikit.analysis.ranking import leaderboard
from xaikit.cli.serving import FolderServer
from xaikit.registry import Registry
from xaikit.report.page.document import document
from xaikit.report.page.payload import payload
from xaikit.report.report import Report
from xaikit.store.pages import PAGE

HOSTILE = [
    "<script>hit = 1</script>",
    "</script><img src=x onerror='hit = 1'>",
    '"><svg onload=hit=1>',
    "javascript:hit=1//",
    "{{ 7 * 7 }} ${7 * 7} %s &lt;b&gt; &amp;",
    "\u202efdp.exe \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\U0001f408\u200d\u2b1b \u65e5\u672c\u8a9e e\u0301 \u2028 \u2029",
    "constructor",
    "__proto__",
    "a&b=c#d?e%20f+g",
    "long " * 200,
]
VIEWS = ["grid", "detail", "summary", "about"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A run all of whose names are hostile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_runs, "CLASSES", (HOSTILE[0], HOSTILE[6], HOSTILE[5]))
        names = [f"photos/{name}" for name in HOSTILE]
        changed = {"options": {name: name for name in HOSTILE}, "where": {HOSTILE[1]: HOSTILE[1]}, "model": HOSTILE[2]}
        report = page_runs.page_run(
            tmp_path_factory.mktemp("hostile") / HOSTILE[0].replace("/", "-"),
            labels=HOSTILE,
            names=names,
            trial=changed,
        )
    values = payload([report], Registry().lazy(), [leaderboard(report, draws=100).plain()])
    (Path(report.folder) / PAGE).write_text(document(values), encoding="utf-8")
    return report


@pytest.fixture(params=["disk", "view"])
def address(request: pytest.FixtureRequest, hostile: Report) -> Iterator[str]:
    if request.param == "disk":
        yield (Path(hostile.folder) / PAGE).as_uri()
        return
    with FolderServer(Path(hostile.folder), PAGE) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


# of what a name could do: run, make elements, be asked for
STATE = """
const elements = "x-grid img, x-summary img, x-detail img, x-about img, main script, main iframe, main svg[onload], main b > i";
return [window.hit ?? null, document.querySelectorAll(elements).length, document.scripts.length, document.title];
"""


@pytest.mark.parametrize("view", VIEWS)
def test_names_are_text_on_every_view(tab: Tab, address: str, view: str, hostile: Report) -> None:
    tab.open(address, f"view={view}")
    title = f"{Path(hostile.folder).name} · xaikit"
    if view == "summary":
        tab.wait("document.querySelector('x-summary').dataset.drawn === 'true'")
    assert tab.run(STATE) == [None, 0, 2, title]
    assert tab.errors() == []
    assert [url for url in tab.requests() if not url.startswith(address)] == []


def test_every_name_of_a_file_and_label_can_be_read(tab: Tab, address: str) -> None:
    tab.open(address, "view=grid&alpha=1")
    shown = " ".join(tab.texts("x-grid"))
    for name in HOSTILE:
        file = name.replace("\\", "/").rpartition("/")[2]
        assert name in shown, name
        assert file in shown


def test_names_pass_through_the_hash(tab: Tab, address: str) -> None:
    tab.open(address, "view=summary")
    tab.wait("document.querySelector('x-summary').dataset.drawn === 'true'")
    for place, name in enumerate(HOSTILE):
        script = """
        const store = document.querySelector("x-summary").shown;
        store.set({ view: "grid", photographs: [`photos/${arguments[0]}`], method: [arguments[0]] });
        return [store.keys.length, store.trials.map((trial) => store.page.trials[trial].name)];
        """
        assert tab.run(script, name) == [1, [name]], place
    hash, before = tab.hash, tab.run(STATE)
    tab.open(address, hash)
    assert tab.run("return document.querySelector('x-summary').shown.state.method") == [HOSTILE[-1]]
    assert tab.run(STATE) == before


def test_every_mark_of_the_summary_opens_what_it_says(tab: Tab, address: str) -> None:
    tab.open(address, "view=summary")
    tab.wait("document.querySelector('x-summary').dataset.drawn === 'true'")
    script = """
    const store = document.querySelector("x-summary").shown;
    return [...document.querySelectorAll("x-summary [data-photographs]")].map((mark) => {
      mark.dispatchEvent(new MouseEvent("click", { bubbles: true }));
      return [mark.ariaLabel, Number(mark.dataset.photographs), new Set(store.keys.map((key) => store.page.nameOf(key))).size];
    });
    """
    marks: list[list[Any]] = tab.run(script)
    assert len(marks) > 50
    assert [mark for mark in marks if mark[1] != mark[2]] == []
    # no browser takes so many new addresses in a moment
    assert [error for error in tab.errors() if "Throttling navigation" not in error] == []
