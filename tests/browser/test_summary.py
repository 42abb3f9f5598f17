"""The summary: what all photographs say, and marks that open what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from helpers.browsing import Tab
from xaikit.analysis.ranking import leaderboard
from xaikit.report.report import Report

PARTS = ["failures", "leaderboard", "tradeoff", "heat", "strips", "clusters"]


def opened(tab: Tab, page: Path, hash: str = "") -> None:
    tab.open(page, f"view=summary&{hash}" if hash else "view=summary")
    drawn(tab)


def drawn(tab: Tab) -> None:
    tab.wait("document.querySelector('x-summary').dataset.drawn === 'true'")


def shown(tab: Tab) -> tuple[str, list[str], list[str]]:
    """The view, and the photographs and trials that the grid shows."""
    script = """
    const store = document.querySelector("x-summary").shown;
    const names = store.keys.map((key) => key.split("\\n")[1]);
    return [store.state.view, names, store.trials.map((trial) => store.page.trials[trial].name)];
    """
    return tuple(tab.run(script))


def test_it_has_every_part_and_no_error(tab: Tab, summary: Path) -> None:
    opened(tab, summary)
    assert tab.run(
        "return [...document.querySelectorAll('x-summary section')].map((each) => each.className.split('-')[1])"
    ) == [
        *PARTS,
    ]
    assert tab.errors() == []
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth")


def test_every_mark_opens_as_many_photographs_as_it_says(tab: Tab, summary: Path) -> None:
    opened(tab, summary)
    script = """
    const store = document.querySelector("x-summary").shown;
    return [...document.querySelectorAll("x-summary [data-photographs]")].map((mark) => {
      store.set({ view: "summary", text: "nothing has this name", outcome: "right" });
      mark.dispatchEvent(new MouseEvent("click", { bubbles: true }));
      const names = new Set(store.keys.map((key) => key.split("\\n")[1]));
      return [mark.closest("section").id || mark.closest("section").className, mark.getAttribute("aria-label"),
        Number(mark.dataset.photographs), names.size, store.state.view, store.trials.length];
    });
    """
    marks = tab.run(script)
    assert {part.split("-")[-1] for part, *_ in marks} == set(PARTS)
    for part, label, count, photographs, view, trials in marks:
        assert (photographs, view) == (count, "grid"), (part, label)
        assert trials > 0
        assert f"Open {count} photograph" in label


def test_the_leaderboard_has_the_numbers_of_the_command(tab: Tab, summary: Path, measured: Report) -> None:
    opened(tab, summary)
    labels = tab.run("return [...document.querySelectorAll('.standing')].map((each) => each.ariaLabel)")
    rows = leaderboard(measured, draws=500).rows()
    assert len(labels) == len(rows)
    for label, row in zip(labels, rows, strict=True):
        name, numbers = label.split(": ", 1)
        assert name == f"{row['method']}, {row['metric']}"
        mean, low, high = (
            float(each) for each in numbers.split(";")[0].replace("(", "").replace(")", "").replace("to ", "").split()
        )
        assert (mean, low, high) == pytest.approx((row["mean"], row["low"], row["high"]), rel=5e-3, abs=1e-9)


def test_means_of_the_heat_map_are_those_of_a_query(tab: Tab, summary: Path, measured: Report) -> None:
    opened(tab, summary, "rowAxis=method&columnAxis=class&metric=metric:srg")
    sql = """
    SELECT r.label, coalesce(nullif(r.truth_name, ''), r.prediction_name) AS class, avg(m.value) AS mean
    FROM measures m JOIN records r ON m.name = r.name AND m.trial = r.trial AND m."column" = r."column"
    WHERE m.metric_name = 'srg' AND m.control = '' GROUP BY ALL
    """
    cells = tab.run(
        "return [...document.querySelectorAll('.heat-cell')].map((each) => [each.ariaLabel, each.textContent])"
    )
    means = {label.split(":")[0]: float(text) for label, text in cells}
    expected = {f"{row['label']}, {row['class']}": row["mean"] for row in measured.query(sql).to_pylist()}
    assert means == pytest.approx(expected, rel=5e-3)


def test_choices_are_in_the_link_and_change_the_part(tab: Tab, summary: Path) -> None:
    opened(tab, summary)
    titles = tab.texts(".title-x")
    tab.choose("across", "score")
    drawn(tab)
    assert tab.texts(".title-x") != titles
    assert "x=score" in tab.hash
    assert tab.run("return document.activeElement.name ?? ''") in ("", "x")
    tab.choose("groups", "3")
    drawn(tab)
    assert len(tab.all(".cluster")) == 3
    opened(tab, summary, "clusters=1&clustered=layercam")
    assert len(tab.all(".cluster")) == 1
    assert tab.run("return document.querySelector('[name=clustered]').value") == "layercam"


def test_the_keyboard_goes_from_dot_to_dot_and_opens_one(tab: Tab, summary: Path) -> None:
    opened(tab, summary)
    tab.run("document.querySelector('.dot-mark[tabindex=\"0\"]').focus()")
    first = tab.run("return document.activeElement.ariaLabel")
    tab.press(Keys.ARROW_RIGHT)
    assert tab.run("return document.activeElement.ariaLabel") != first
    tab.press(Keys.HOME)
    assert tab.run("return document.activeElement.ariaLabel") == first
    tab.press(Keys.ENTER)
    view, _, trials = shown(tab)
    assert view == "grid"
    assert trials == [first.split(":")[0]]
    tab.browser.back()
    tab.wait("document.querySelector('x-summary').shown.state.view === 'summary'")


def test_failures_are_those_of_the_records(tab: Tab, summary: Path, measured: Report) -> None:
    opened(tab, summary)
    counts: Mapping[str, Any] = dict(
        tab.run(
            "return [...document.querySelectorAll('.kind')].map((each) => [each.querySelector('.kind-title').textContent, "
            "Number(each.querySelector('strong').textContent)])"
        )
    )
    wrong = {record.name for record in measured.records if record.correct is False}
    assert counts == {"wrong prediction": len(wrong), "dead map": 1, "NaN": 0, "flat map": 0, "disconnected": 0}
    tab.click(".kind-dead")
    _, names, trials = shown(tab)
    assert (names, trials) == ([measured.images[-1]], ["eigencam"])


def test_strips_are_in_the_order_of_the_metric(tab: Tab, summary: Path, measured: Report) -> None:
    opened(tab, summary, "metric=metric:srg")
    labels = tab.run(
        "return [...document.querySelectorAll('.order')[0].querySelectorAll('.value-bar')].map((each) => each.ariaLabel)"
    )
    values = {
        row["name"]: row["value"]
        for row in measured.measures.to_pylist()
        if (row["trial"], row["metric_name"]) == ("gradcam", "srg")
    }
    order = sorted(values, key=lambda name: -values[name])
    assert [label.split(", ", 1)[1].split(": ")[0] for label in labels] == order
    tab.run("document.querySelectorAll('.order')[0].querySelectorAll('.figure')[2].click()")
    assert set(shown(tab)[1]) == set(order[-2:])


def test_it_is_of_what_the_grid_shows_and_says_so(tab: Tab, summary: Path) -> None:
    opened(tab, summary)
    assert tab.texts("x-summary .scope") == []
    wrong = tab.texts("x-summary .kind-wrong strong")
    opened(tab, summary, "method=gradcam&method=layercam&outcome=right")
    assert tab.texts("x-summary .scope span") == [
        "Of 6 of 8 photographs and 2 of 3 methods: what the grid's filters let through."
    ]
    assert tab.texts("x-summary .order h3") == ["gradcam", "layercam"]
    assert tab.texts("x-summary .kind-wrong strong") == []
    tab.click("x-summary .scope button")
    drawn(tab)
    assert tab.texts("x-summary .scope span") == ["Of all 8 photographs and 3 methods, whatever the grid shows."]
    assert tab.texts("x-summary .kind-wrong strong") == wrong
    tab.run("document.querySelector('x-summary').shown.set({ text: 'no such thing', whole: false })")
    drawn(tab)
    assert tab.errors() == []
