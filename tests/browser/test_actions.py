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


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose methods say much for themselves, and are swept apart."""
    folder = tmp_path_factory.mktemp("swept")
    methods = {
        "early": {"use": "layercam", "layers": ["stem"], "finish": {"scale": "tanh"}},
        "gradcam": {"layers": ["stem", "body"]},
    }
    sweep = {"methods.early.finish.rectify": ["relu", "abs"], "methods.gradcam.layers": [["stem"], ["body"]]}
    return Path(xaikit.run({**config(folder), "methods": methods, "sweep": sweep}).folder) / "report.html"


@pytest.mark.parametrize("hash", ["", "layer=body", "kind=raw", "layer=stem&kind=raw"])
@pytest.mark.parametrize("method", ["early", "gradcam"])
def test_what_is_copied_of_one_method_is_a_config_of_its_maps(tab: Tab, swept: Path, method: str, hash: str) -> None:
    report = xaikit.open(swept.parent)
    shown = [trial for trial in report.trials if trial.label == method]
    if "layer=body" in hash and method == "early":
        shown = [trial for trial in report.trials if trial.layers == ("body",)]
    hash = "&".join([*(urlencode({"method": trial.name}) for trial in shown), hash])
    tab.open(swept, hash)
    loaded = load(yaml.safe_load(copied(tab, "y")))
    assert set(loaded.methods) == {trial.label for trial in shown}
    if "layer=" in hash:
        assert loaded.layers == (hash.partition("layer=")[2].partition("&")[0],)
        assert all(each.layers is None for each in loaded.methods.values())
        assert not [key for key in loaded.sweep.axes if key.endswith("layers")]
    if "kind=raw" in hash:
        assert set(loaded.plain()["finish"].values()) == {"none"}
        assert all(not each.finish for each in loaded.methods.values())
        assert not [key for key in loaded.sweep.axes if "finish" in key]
    if "kind=raw" not in hash and "layer=" not in hash:
        assert list(loaded.sweep.axes) == [key for key in shown[0].where if key.startswith(f"methods.{method}.")]


@pytest.mark.parametrize("pressed", [True, False])
def test_what_is_copied_of_the_detail_is_the_map_that_it_shows(tab: Tab, swept: Path, pressed: bool) -> None:
    """Whether it was opened by a key or by its link."""
    report = xaikit.open(swept.parent)
    tab.open(swept, "" if pressed else "view=detail")
    if pressed:
        tab.press("2")
    text = copied(tab, "y")
    first = report.trials[0]
    assert text.startswith(f"# 1 of 3 photographs:\n#   {json.dumps(report.images[0])}\n")
    assert list(load(yaml.safe_load(text)).methods) == [first.label]


def test_nothing_is_copied_where_nothing_is_shown(tab: Tab, swept: Path) -> None:
    tab.open(swept, "text=nothing+has+this+name")
    tab.press("y")
    assert tab.texts(".status") == ["Nothing is shown"]


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
    sizes = """document.querySelector("x-grid").lines.map((line) => line.querySelector(".sheet")?.width ?? 0)"""
    tab.run("window.dispatchEvent(new Event('beforeprint'))")
    tab.wait(f"{sizes}.every(Boolean)")  # when the photographs are decoded
    assert len(tab.all(CELL)) == 12
    assert tab.browser.print_page()
    tab.run("window.dispatchEvent(new Event('afterprint'))")
    assert tab.run(f"return {sizes}")[-1] == 0  # what is not in view takes no memory
