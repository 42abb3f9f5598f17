"""The grid: every control changes what it should, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from helpers.browsing import Tab
from helpers.page_runs import COLORS, LABELS
from xaikit.pictures.colors import table

CELL = "x-grid .cell[data-row]"


@pytest.fixture
def grid(tab: Tab, page: Path) -> Tab:
    tab.open(page)
    return tab


def names(grid: Tab) -> list[str]:
    """Of the photographs, from top to bottom."""
    return grid.texts("x-grid .name b")


def shown(grid: Tab) -> int:
    return len(grid.all(CELL))


def heads(grid: Tab) -> list[str]:
    return grid.texts("x-grid .line.header .head b")


@pytest.mark.parametrize(
    ("label", "value", "maps"),
    [
        ("Search", "espresso", 3),
        ("Search", "eigencam rocket", 2),
        ("Search", "constant", 1),
        ("Explained", "tabby", 6),
        ("Class", "espresso", 3),
        ("Prediction", "wrong", 3),
        ("Prediction", "right", 6),
        ("Prediction", "unknown", 3),
        ("Warning", "any", 1),
        ("Warning", "none", 11),
        ("Warning", "constant map: every place matters the same", 1),
    ],
)
def test_filters_leave_the_maps_that_are_so(grid: Tab, label: str, value: str, maps: int) -> None:
    grid.choose(label, value)
    assert shown(grid) == maps
    assert grid.texts(".status")[0].endswith(f": {maps} map{'s' * (maps != 1)}")
    grid.click("x-controls .row.filters > button:last-child")
    assert shown(grid) == 12


def test_what_is_nowhere_so_is_said(grid: Tab) -> None:
    grid.choose("Search", "no such thing")
    assert "Nothing is like that" in grid.texts("x-grid .empty")[0]
    grid.click("x-grid .empty button")
    assert shown(grid) == 12


def test_methods_are_ticked(grid: Tab) -> None:
    grid.choose("show layercam", False)
    assert heads(grid) == ["gradcam", "eigencam"]
    assert "method=gradcam&method=eigencam" in grid.hash
    grid.click(".popup > button")
    assert heads(grid) == list(LABELS)


def test_a_layer_shows_its_own_map(grid: Tab) -> None:
    fused = grid.pixel(f"{CELL} .view", 0.01, 0.01)
    grid.choose("Layer", "layer4")
    assert grid.pixel(f"{CELL} .view", 0.01, 0.01) != fused


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("order", [0, 1, 2, 3]),
        ("name", [1, 2, 0, 3]),
        ("score", [3, 2, 1, 0]),
        ("metric:srg", [3, 2, 1, 0]),
        ("probability", [3, 2, 1, 0]),
    ],
)
def test_lines_are_sorted_both_ways(grid: Tab, sort: str, order: list[int]) -> None:
    files = ["tabby_0.jpg", "espresso_1.jpg", "rocket_2.jpg", "tabby_3.jpg"]
    grid.choose("Sort by", sort)
    assert names(grid) == [files[place] for place in order]
    grid.click("x-controls .way")
    assert names(grid) == [files[place] for place in reversed(order)]


def test_lines_are_sorted_by_one_trial(grid: Tab) -> None:
    """Of the last photograph eigencam has no sparseness, and what has no value comes last, whichever way is up."""
    grid.choose("Sort by", "metric:sparseness")
    grid.choose("of", "eigencam")
    assert names(grid)[-1] == "tabby_3.jpg"
    grid.click("x-controls .way")
    assert names(grid)[-1] == "tabby_3.jpg"


def test_disagreement_is_one_less_the_correlation(grid: Tab) -> None:
    grid.choose("Sort by", "disagreement")
    grid.choose("and", "eigencam")
    grid.click("x-controls .way")
    values = [float(text) for text in grid.texts("x-grid .name .sorted")]
    assert values == sorted(values, reverse=True)
    assert len(values) == 3  # the flat map correlates with nothing
    assert names(grid)[-1] == "tabby_3.jpg"
    assert 0 < values[-1] < values[0] < 2


def test_an_overlay_of_a_known_map_has_exactly_the_colours_of_the_run(grid: Tab) -> None:
    """(1 - alpha) photograph + alpha colour, at the largest value; a photograph alone where the opacity is 0."""
    picture = grid.pixel("x-grid .photo canvas", 0.001, 0.001)
    assert picture == pytest.approx(COLORS[0], abs=3)  # as WebP keeps it
    top = table("sequential")[255].tolist()
    expected = tuple(round((1 - 0.5) * below + 0.5 * above) for below, above in zip(picture, top, strict=True))
    assert grid.pixel(f"{CELL} .view", 0.001, 0.001) == pytest.approx(expected, abs=2)
    grid.choose("Opacity", 1)
    grid.choose("Layer", "layer3")
    assert grid.pixel(f"{CELL} .view", 0.001, 0.001) == tuple(top)
    assert grid.pixel(f"{CELL} .view", 0.999, 0.999) == tuple(table("sequential")[0].tolist())
    grid.choose("Opacity", 0)
    assert grid.pixel(f"{CELL} .view", 0.001, 0.001) == picture


def test_raw_maps_are_signed_and_coloured_so(grid: Tab) -> None:
    grid.choose("Map", "raw")
    grid.choose("Layer", "layer3")
    assert grid.pixel(f"{CELL} .view", 0.001, 0.001) == tuple(table("diverging")[255].tolist())
    place = round((1 - 0.25) * 255 / 2)  # of -0.25, far from the largest value
    weight, color = abs(2 * place / 255 - 1), table("diverging")[place].tolist()
    picture = grid.pixel("x-grid .photo canvas", 0.999, 0.999)
    grey = Image.new("RGB", (1, 1), picture).convert("L").getpixel((0, 0))
    below = 0.5 * grey + 0.5 * 255  # at an opacity of 0.5
    expected = [(1 - weight) * below + weight * above for above in color]
    assert grid.pixel(f"{CELL} .view", 0.999, 0.999) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("name", ["sequential", "diverging", "viridis", "gray"])
def test_colour_maps_are_those_of_the_run(grid: Tab, name: str) -> None:
    grid.choose("Colours", name)
    grid.choose("Opacity", 1)
    assert grid.pixel(f"{CELL} .view", 0.001, 0.001) == tuple(table(name)[255].tolist())


def test_one_scale_for_all_is_printed(grid: Tab) -> None:
    grid.choose("Map", "raw")
    assert "own scale" in grid.texts("x-grid .scale")[0]
    grid.choose("Scale", "locked")
    assert grid.texts("x-grid .scale") == ["one scale for 12 maps"]
    assert grid.texts("x-grid .bar span") == ["-1", "1"]


def test_a_difference_is_signed_and_nothing_where_maps_are_equal(grid: Tab) -> None:
    grid.choose("Difference", "layercam")
    assert [text for text in grid.texts("x-grid .head span") if "less" in text] == ["less layercam", "less layercam"]
    assert "less layercam" in grid.run(f"return document.querySelector('{CELL} .view').getAttribute('aria-label')")


def test_sizes_and_blinking(grid: Tab) -> None:
    grid.choose("Size", 200)
    assert grid.one(f"{CELL} .view").rect["width"] == 200
    with_map = grid.pixel(f"{CELL} .view")
    grid.choose("blink", True)
    grid.wait(f"document.querySelector('{CELL}').firstChild.painted.includes('undefined')")
    assert grid.pixel(f"{CELL} .view") == grid.pixel("x-grid .photo canvas")
    grid.choose("blink", False)
    assert grid.pixel(f"{CELL} .view") == with_map


def test_the_value_under_the_pointer_is_that_of_the_map(grid: Tab) -> None:
    grid.run(
        """const view = document.querySelector(arguments[0]); const { left, top } = view.getBoundingClientRect();
        view.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: left + 1, clientY: top + 1 }))""",
        f"{CELL} .view",
    )
    assert grid.texts(".readout")[0].startswith("1 — gradcam, tabby_0.jpg at (0, 0) of 56 × 56")


def test_every_map_says_in_words_what_it_shows(grid: Tab) -> None:
    labels = grid.run(
        f"return [...document.querySelectorAll('{CELL} .view')].map((each) => each.getAttribute('aria-label'))"
    )
    assert labels[0] == "gradcam of tabby_0.jpg, tabby: strongest at the top left"
    assert labels[-1] == "eigencam of tabby_3.jpg, tabby: zero everywhere"


def test_a_click_opens_the_map(grid: Tab) -> None:
    grid.click(f"{CELL}:nth-child(3)")
    assert grid.run("return document.getElementById('view-detail').hidden") is False
    assert "trial=layercam" in grid.hash


def test_a_link_shows_the_same(grid: Tab, page: Path) -> None:
    grid.choose("Class", "tabby")
    grid.choose("Sort by", "metric:srg")
    grid.choose("Opacity", 0.75)
    before, hash = names(grid), grid.hash
    grid.open(page, hash)
    assert names(grid) == before
    assert grid.run("return document.querySelector('[title^=\"how much\"]').value") == "0.75"


def test_the_back_button_leads_back(grid: Tab) -> None:
    grid.click("#tab-about")
    grid.browser.back()
    grid.wait("!document.getElementById('view-grid').hidden")


def test_a_hash_that_says_nonsense_is_no_error(grid: Tab, page: Path) -> None:
    grid.open(page, "view=grid&alpha=abc&sort=metric:none&of=nobody&key=x&nothing=1&side=1e999")
    assert shown(grid) == 12
    assert grid.errors() == []


PICKED = "x-grid .cell[aria-selected='true']"


def test_maps_are_picked_by_hand_and_shown_alone(grid: Tab, page: Path) -> None:
    grid.click(f"{CELL} .pick")
    grid.run("document.querySelector('x-grid').focusCell(2, 3)")
    grid.press(" ")
    assert len(grid.all(PICKED)) == 2
    assert shown(grid) == 12  # nothing is hidden before somebody wants that
    assert grid.run("return document.getElementById('view-detail').hidden")
    grid.press("o")
    assert grid.texts(".chip.only") == ["only 2 picked"]
    assert (names(grid), heads(grid), shown(grid)) == (["tabby_0.jpg", "rocket_2.jpg"], ["gradcam", "eigencam"], 2)
    grid.open(page, grid.hash)
    assert (names(grid), heads(grid), shown(grid)) == (["tabby_0.jpg", "rocket_2.jpg"], ["gradcam", "eigencam"], 2)
    grid.click(f"{PICKED} .pick")
    assert names(grid) == ["rocket_2.jpg"]
    grid.click(f"{PICKED} .pick")
    assert shown(grid) == 12  # there is no pick left to be alone
    assert "only" not in grid.hash


def test_a_pick_that_there_is_not_is_no_error(grid: Tab, page: Path) -> None:
    grid.open(page, "picked=nothing&picked=gradcam%0A0%0Anowhere.jpg&only=true")
    assert "Nothing is like that" in grid.texts("x-grid .empty")[0]
    assert grid.errors() == []
