"""The detail: one photograph by all methods, layers and finishes, and every control that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

import xaikit
from helpers.browsing import Tab
from helpers.page_runs import LABELS, LAYERS
from xaikit.pictures.colors import table
from xaikit.pictures.regions import regions

STAGE = "x-detail .stage figure:last-child canvas"


@pytest.fixture
def detail(tab: Tab, page: Path) -> Tab:
    tab.open(page, "view=detail")
    return tab


def titles(detail: Tab) -> list[str]:
    return detail.texts("x-detail figcaption b")


def strip(detail: Tab, name: str) -> list[str]:
    """What the tiles of a strip are called."""
    (place,) = [at for at, text in enumerate(detail.texts("x-detail .strip h3"), 1) if text.startswith(name)]
    return detail.texts(f"x-detail .strip:nth-child({place}) .tile")


def pressed(detail: Tab) -> list[str]:
    return detail.texts("x-detail .tile[aria-pressed=true]")


def table_of(detail: Tab, label: str) -> dict[str, str]:
    table = f"table[aria-label='{label}']"
    return dict(zip(detail.texts(f"{table} th"), detail.texts(f"{table} td"), strict=True))


def test_it_shows_the_photograph_beside_its_map_and_all_that_is_known(detail: Tab) -> None:
    assert titles(detail) == ["photograph", "gradcam"]
    facts = table_of(detail, "of the photograph")
    assert (facts["photograph"], facts["explained"], facts["score"]) == ("photos/tabby_0.jpg", "tabby", "10")
    assert facts["is"] == "tabby  ✓ right"
    assert table_of(detail, "measures") == {"srg ↑": "1", "sparseness ↑": "2"}
    assert table_of(detail, "of the method")["layers"] == "\n".join(LAYERS)
    assert strip(detail, "Methods") == list(LABELS)
    assert strip(detail, "Layers") == list(LAYERS)
    assert strip(detail, "Finishes")[0] == "raw, signed"


def test_the_scrubber_goes_over_the_layers_and_to_all_of_them(detail: Tab) -> None:
    assert detail.texts("x-detail output")[0] == "2 layers, fused"
    detail.choose("Layer over depth", 0)
    assert detail.texts("x-detail output")[0] == "layer3"
    assert "depth=layer3" in detail.hash
    detail.choose("Map opacity", 1)
    assert detail.pixel(STAGE, 0.001, 0.001) == tuple(table("sequential")[255].tolist())
    detail.choose("Layer over depth", 1)
    assert detail.pixel(STAGE, 0.001, 0.001) != tuple(table("sequential")[255].tolist())
    detail.choose("Layer over depth", 2)
    assert "depth" not in detail.hash


def test_tiles_choose_the_method_the_layer_and_the_finish(detail: Tab) -> None:
    detail.click("x-detail .strip:nth-child(1) .tile:nth-child(2)")
    assert titles(detail) == ["photograph", "layercam"]
    detail.click("x-detail .strip:nth-child(2) .tile:nth-child(1)")
    detail.click("x-detail .strip:nth-child(3) .tile:nth-child(1)")
    assert pressed(detail) == ["layercam", "layer3", "raw, signed"]
    assert "kind=raw" in detail.hash


def test_two_methods_stand_beside_each_other_with_their_difference(detail: Tab) -> None:
    detail.choose("Beside", "layercam")
    assert titles(detail) == ["gradcam", "layercam", "gradcam less layercam"]
    low, high = detail.texts("x-detail figure:last-child .bar span")
    assert float(low) == -float(high) < 0
    detail.choose("Beside", "gradcam")
    assert detail.texts("x-detail figure:last-child .bar span") == ["-1", "1"]


@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_a_threshold_draws_the_regions_that_the_run_would_find(detail: Tab, page: Path, threshold: float) -> None:
    """Of the finished map at the size of the picture, as ``xaikit boxes`` takes it."""
    detail.choose("regions", True)
    detail.choose("Threshold", threshold)
    x, y, width, height = detail.run(
        """const { x, y, width, height } = document.querySelector("x-detail figure:last-child .found rect");
        return [x, y, width, height].map((each) => each.baseVal.value)"""
    )
    report = xaikit.open(page.parent / "run")
    fused = report.map(report.images[0], LABELS[0])[0]
    expected = regions(fused, threshold)[0]
    assert (x, y, x + width, y + height) == pytest.approx(expected.box, abs=1)
    share = 100 * expected.area / fused.numel()
    (text,) = [text for text in detail.texts("x-detail figcaption .faint") if "region" in text]
    assert float(text.split(", ")[1].split(" %")[0]) == pytest.approx(share, abs=2)


def test_keys_go_to_other_photographs_and_methods(detail: Tab) -> None:
    detail.run("document.activeElement.blur()")
    detail.press("\ue014")  # right
    assert detail.texts("x-detail .headline h2") == ["espresso_1.jpg"]
    detail.press("\ue015")  # down
    assert titles(detail) == ["photograph", "layercam"]
    detail.press("\ue012")  # left
    detail.press("\ue013")  # up
    assert (detail.texts("x-detail .headline h2"), titles(detail)[1]) == (["tabby_0.jpg"], "gradcam")
    detail.press("\ue00c")  # escape
    assert "view" not in detail.hash


def test_warnings_and_what_could_not_be_measured_are_said(detail: Tab, page: Path) -> None:
    detail.open(page, "view=detail&trial=eigencam&key=0%0Aphotos%2Ftabby_3.jpg")
    assert detail.texts("x-detail ul.warned li") == ["layer4: constant map: every place matters the same"]
    assert table_of(detail, "measures")["sparseness ↑"] == "the map is flat"


def test_a_detail_of_nothing_says_so(detail: Tab, page: Path) -> None:
    detail.open(page, "view=detail&text=nothing+is+like+this")
    assert "Nothing is shown" in detail.texts("x-detail .headline")[0]
