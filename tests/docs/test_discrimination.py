"""docs/discrimination.py: shares of maps in cells, the table of them, and that what is written down is of today's methods."""

from __future__ import annotations

import importlib
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from xaikit.sources import Transform

DOCS = Path(__file__).parents[2] / "docs"
LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("discrimination")


@pytest.fixture
def written() -> Any:
    return json.loads((DOCS / "discrimination.json").read_text(encoding="utf-8"))


class Colours(nn.Module):
    """Class 0 is how red a picture is, class 1 how green; ``flat`` has a linear layer on all places instead."""

    def __init__(self, flat: bool = False) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 3, 1, bias=False)
        self.pool = nn.Flatten() if flat else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(3 * 64 if flat else 3, 3, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(3)[:, :, None, None])
            self.head.weight.copy_(torch.eye(3).repeat_interleave(64 if flat else 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.pool(self.features(x)))
        return scores


def red_beside_green() -> Tensor:
    picture = torch.zeros(1, 3, 8, 8)
    picture[:, 0, :, :4] = 1
    picture[:, 1, :, 4:] = 1
    return picture


def test_a_map_entirely_in_its_cell_has_all_of_it_there(script: Any) -> None:
    maps = torch.zeros(3, 4, 6)
    maps[0, :, :3] = 2
    maps[1, 1, 1] = 1
    maps[2, 1, 5] = 1
    cells = [script.Cell(0, LEFT), script.Cell(1, RIGHT), script.Cell(2, RIGHT)]
    assert script.shares(maps, cells) == [1, 0, 1]


def test_shares_of_cells_that_make_up_the_picture_sum_to_one(script: Any) -> None:
    # edges that fall within pixels: a pixel is shared out
    corners = [(0, 0, 0.3, 0.7), (0.3, 0, 1, 0.7), (0, 0.7, 0.3, 1), (0.3, 0.7, 1, 1)]
    cells = [script.Cell(0, box) for box in corners]
    saliency = torch.rand(5, 7, generator=torch.Generator().manual_seed(0))
    assert sum(script.shares(saliency.expand(4, 5, 7), cells)) == pytest.approx(1)
    even = script.shares(torch.ones(4, 5, 7), cells)
    assert even == pytest.approx([cell.area() for cell in cells])
    assert even == pytest.approx([0.21, 0.49, 0.09, 0.21])


def test_what_is_negative_plays_no_part_and_nothing_is_no_share(script: Any) -> None:
    maps = torch.tensor([[[1.0, -5.0]], [[-1.0, -1.0]], [[0.0, 0.0]]])
    here, *nowhere = script.shares(maps, [script.Cell(0, LEFT)] * 3)
    assert here == 1
    assert all(math.isnan(share) for share in nowhere)


def test_a_cell_is_written_as_the_command_line_says(script: Any) -> None:
    assert script.cell("281: 0,0.5,1,1") == script.Cell(281, (0, 0.5, 1, 1))
    for wrong in ("281", "281: 0,0,1", "281: 0,0,0,1", "281: 0,0,2,1", "cat: 0,0,1,1"):
        with pytest.raises(ValueError, match=r"expected|invalid|could not"):
            script.cell(wrong)


def test_a_network_that_sees_colours_finds_them(script: Any) -> None:
    cells = [script.Cell(0, LEFT), script.Cell(1, RIGHT), script.Cell(2, RIGHT)]
    methods = {name: {"use": name} for name in ("gradcam", "uniform")}
    table, maps = script.measured(Colours().eval(), red_beside_green(), cells, methods)
    assert [row["method"] for row in table["rows"]] == ["gradcam", "uniform"]
    colours, even = table["rows"]
    # of blue there is nothing, and a mean over what is there would hide it
    assert colours["shares"] == [1, 1, None]
    assert colours["mean"] is None
    assert even["shares"] == [0.5, 0.5, 0.5]
    assert maps["gradcam"].shape == (3, 8, 8)


def test_a_method_that_refuses_the_model_leaves_the_others(script: Any) -> None:
    cells = [script.Cell(0, LEFT), script.Cell(1, RIGHT)]
    methods = {name: {"use": name} for name in ("cam", "hirescam")}
    table, _ = script.measured(Colours(flat=True).eval(), red_beside_green(), cells, methods)
    assert [(row["method"], row["shares"]) for row in table["rows"]] == [("hirescam", [1, 1])]
    assert list(table["left_out"]) == ["cam"]


def test_the_table_says_where_there_is_no_map(script: Any) -> None:
    rows = [
        {"method": "good", "options": {"n": 4}, "class_specific": True, "shares": [0.9, 0.5], "mean": 0.7},
        {"method": "dead", "options": {}, "class_specific": True, "shares": [0.9, None], "mean": None},
        {"method": "blind", "options": {}, "class_specific": False, "shares": [0.5, 0.5], "mean": 0.5},
    ]
    cells = [{"class": 3, "name": "red", "box": LEFT}, {"class": 4, "name": "green", "box": (0.5, 0, 1, 0.5)}]
    table = script.discrimination_table({"cells": cells, "rows": rows, "left_out": {"other": "no reason"}})
    assert table.splitlines() == [
        "| method | mean | red (3) | green (4) | options |",
        "| --- | --- | --- | --- | --- |",
        "| `good` | 0.70 | 0.90 | 0.50 | n 4 |",
        "| `dead` | no map | 0.90 | no map |  |",
        "| *does not know the class:* |  |  |  |  |",
        "| `blind` | 0.50 | 0.50 | 0.50 |  |",
        "| *chance* | 0.38 | 0.50 | 0.25 |  |",
        "",
        "- `other` is left out: no reason",
    ]


def test_the_collage_has_a_photograph_a_cell(script: Any) -> None:
    picture, cells = script.collage(Transform())
    assert picture.size == (448, 448)
    assert [(cell.index, cell.box) for cell in cells] == [
        (282, (0, 0, 0.5, 0.5)),
        (967, (0.5, 0, 1, 0.5)),
        (657, (0, 0.5, 0.5, 1)),
    ]
    quarters = [picture.crop((x, y, x + 224, y + 224)).tobytes() for y in (0, 224) for x in (0, 224)]
    assert len(set(quarters)) == 4


def test_a_picture_of_ones_own(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (20, 10), (200, 30, 30)).save(tmp_path / "own.png")
    assert script.opened(tmp_path / "own.png", 64).size == (64, 32)
    before = (DOCS / "discrimination.json").read_bytes()
    monkeypatch.setattr(script, "methods", lambda: ({"lafam": {"use": "lafam"}}, {}))
    options = ["--picture", str(tmp_path / "own.png"), "--longest", "64"]
    script.main([*options, "--cell", "281: 0,0,1,1", "--overlays", str(tmp_path / "maps")])
    assert "| `lafam` | 1.00 | 1.00 |  |" in capsys.readouterr().out
    with Image.open(tmp_path / "maps" / "lafam_281.png") as drawn:
        assert drawn.height >= 32
    assert (DOCS / "discrimination.json").read_bytes() == before
    with pytest.raises(SystemExit):
        script.main(options)
    assert "--picture and --cell go together" in capsys.readouterr().err


def test_what_is_written_down_is_of_all_methods_of_today(script: Any, written: Any) -> None:
    methods, left_out = script.methods()
    rows = {row["method"]: row for row in written["rows"]}
    again = "run: python docs/discrimination.py"
    assert set(script.class_specific()) <= rows.keys() | written["left_out"].keys(), again
    assert left_out.keys() <= written["left_out"].keys(), again
    assert rows.keys() | written["left_out"].keys() == methods.keys() | left_out.keys(), again
    for name, row in rows.items():
        assert {"use": name, **row["options"]} == methods[name], again
    _, cells = script.collage(Transform())
    assert [(cell["class"], tuple(cell["box"])) for cell in written["cells"]] == [(c.index, c.box) for c in cells]


def test_what_is_written_down_is_in_order_and_on_the_page(script: Any, written: Any) -> None:
    for specific in (True, False):
        means = [row["mean"] or 0 for row in written["rows"] if row["class_specific"] is specific]
        assert means == sorted(means, reverse=True)
    page = (DOCS / "methods.md").read_text(encoding="utf-8")
    assert script.discrimination_table(written) in page
    shown = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert shown == [row["method"] for row in written["rows"]]


def test_controls_know_nothing_and_theorems_hold_in_what_is_written_down(written: Any) -> None:
    shares = {row["method"]: row["shares"] for row in written["rows"]}
    assert shares["uniform"] == shares["center"] == [0.25, 0.25, 0.25]
    # one linear layer behind the pooling: the same map by four formulas
    assert shares["gradcam"] == shares["hirescam"] == shares["xgradcam"] == shares["cam"]
