"""What stands beside the title: copying, keys, themes; and the page on paper and on a phone."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml

import xaikit
from helpers.browsing import Tab
from helpers.page_runs import LABELS
from helpers.runs import config
from xaikit.config import load

CELL = "x-grid .cell[data-row]"
HEAR = """Object.defineProperty(navigator, "clipboard", { configurable: true,
  value: { writeText: async (text) => { window.copied = text; } } })"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep that really ran."""
    folder = tmp_path_factory.mktemp("sweep")
    sweep = {"layers": [["stem"], ["body"]]}
    return Path(xaikit.run({**config(folder), "sweep": sweep}).folder) / "report.html"


def copied(tab: Tab, key: str) -> str:
    tab.run(HEAR)
    tab.run("document.activeElement.blur()")
    tab.press(key)
    tab.wait("window.copied")
    return str(tab.run("return window.copied"))


def test_what_is_shown_is_a_config_that_loads(tab: Tab, run: Path) -> None:
    name = xaikit.open(run.parent).names[0]
    tab.open(run, urlencode({"method": name, "colors": "viridis", "alpha": 0.3}))
    assert tab.texts("x-grid .line.header .head b") == [name]
    text = copied(tab, "y")
    values = yaml.safe_load(text)
    assert list(values["methods"]) == ["gradcam"]
    assert values["layers"] == ["stem"]
    assert (values["report"]["colormap"], values["report"]["alpha"]) == ("viridis", 0.3)
    loaded = load(values)
    assert list(loaded.methods) == ["gradcam"]
    assert "sweep" not in values


def test_all_of_a_sweep_is_the_sweep(tab: Tab, run: Path) -> None:
    tab.open(run)
    values = yaml.safe_load(copied(tab, "y"))
    assert values["sweep"] == {"layers": [["stem"], ["body"]]}
    assert load(values)


def test_picked_maps_are_named(tab: Tab, run: Path) -> None:
    tab.open(run)
    tab.click(f"{CELL} .pick")
    first = xaikit.open(run.parent).records[0]
    text = copied(tab, "y")
    assert f"# picked by hand:\n#   {json.dumps(first.trial)} of {json.dumps(first.name)}\n" in text
    tab.press("o")
    tab.run("window.copied = null")
    text = copied(tab, "y")
    assert yaml.safe_load(text)["layers"] == ["stem"]
    assert "# 1 of 3 photographs:" in text


def test_some_photographs_are_named(tab: Tab, run: Path) -> None:
    tab.open(run, "text=two.png")
    text = copied(tab, "y")
    assert text.startswith("# 1 of 3 photographs:\n#   ")
    assert "two.png" in text.splitlines()[1]


def test_a_link_is_the_address(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.choose("Class", "tabby")
    assert copied(tab, "p") == f"{page.as_uri()}#class=tabby"


@pytest.mark.parametrize(
    ("key", "hash"),
    [("2", "view=detail"), ("3", "view=summary"), ("4", "view=about"), ("b", "blink=true"), ("r", "kind=raw"),
     ("l", "scale=locked"), ("[", "alpha=0.4"), ("]", "alpha=0.6"), ("+", "side=160"), ("-", "side=128"), ("t", "theme=light")],
)  # fmt: skip
def test_keys_do_what_the_list_says(tab: Tab, page: Path, key: str, hash: str) -> None:
    tab.open(page)
    tab.press(key)
    assert tab.hash == hash


def test_the_list_of_keys_and_the_search_key(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.press("?")
    assert len(tab.all("dialog[open] kbd")) > 10
    tab.click("dialog button")
    tab.press("/")
    assert tab.run("return document.activeElement.id") == "search"
    tab.press("b2r")
    assert tab.hash == "text=b2r"


def test_arrows_go_from_map_to_map(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.run(f"document.querySelector('{CELL}').focus()")
    tab.press("\ue014")
    tab.press("\ue015")
    label = tab.run("return document.activeElement.firstChild.getAttribute('aria-label')")
    assert label.startswith(f"{LABELS[1]} of espresso_1.jpg")
    tab.press("\ue007")
    assert "view=detail" in tab.hash
    assert "trial=layercam" in tab.hash


def test_themes_go_round(tab: Tab, page: Path) -> None:
    tab.open(page)
    colors = []
    for _ in range(3):
        tab.press("t")
        colors.append(tab.run("return getComputedStyle(document.body).backgroundColor"))
    assert colors[0] == "rgb(255, 255, 255)"
    assert colors[1] != colors[0]


@pytest.mark.parametrize("view", ["grid", "detail", "summary", "about"])
def test_a_phone_need_not_scroll_sideways_but_for_the_methods(tab: Tab, page: Path, view: str) -> None:
    size = {"width": 380, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    tab.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        tab.open(page, f"view={view}")
        wide = tab.run("return document.documentElement.scrollWidth")
        assert wide <= 380 or view == "grid"
        assert tab.run("return document.querySelector('.top').getBoundingClientRect().width") <= 380
    finally:
        tab.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_paper_all_maps_are_drawn(tab: Tab, page: Path) -> None:
    tab.open(page, "side=320")
    tab.run("window.dispatchEvent(new Event('beforeprint'))")
    assert len(tab.all(CELL)) == 12
    assert tab.browser.print_page()
