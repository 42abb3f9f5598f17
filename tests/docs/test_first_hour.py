"""docs/first-hour.md: every job of a newcomer, line by line, in an environment and a folder of its own."""

from __future__ import annotations

import contextlib
import re

import pytest
import torch
from PIL import Image

import xaikit
from helpers.pages import Block, Reader, blocks


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Has read the page; global random numbers are drawn there as its lines draw them."""
    one = Reader(tmp_path_factory.mktemp("reader"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for block in blocks("first-hour.md"):
            one.do(block)
            check_shapes(one, block)
    return one


def check_shapes(reader: Reader, block: Block) -> None:
    """What a line says in its comment is what it gives."""
    for line, shapes in re.findall(r"^(\S.*\.shape)  # (\(.+\))$", block.text, re.MULTILINE):
        with contextlib.chdir(reader.folder):
            value = eval(line, reader.space)
        several = value if isinstance(value[0], tuple) else (value,)
        assert " and ".join(str(tuple(one)) for one in several) == shapes


@pytest.mark.parametrize("run", ["mine", "object", "compared", "vit", "signals", "scans", "many"])
def test_every_run_is_whole(reader: Reader, run: str) -> None:
    report = xaikit.open(reader.folder / "runs" / run)
    assert report.stopped == ""
    assert not report.failures
    assert bool(report.sheets) == (run != "many")
    assert len(report.images) == {"many": 1000, "signals": 3, "scans": 3}.get(run, 4)


def test_a_class_is_a_name_and_a_sweep_shares_its_passes(reader: Reader) -> None:
    mine = xaikit.open(reader.folder / "runs" / "mine")
    assert {record.target_name for record in mine.records} == {"cat"}
    compared = xaikit.open(reader.folder / "runs" / "compared")
    assert len(compared.trials) == 18
    assert compared.counts["forwards"] == 1
    assert len((reader.folder / "compared.csv").read_text().splitlines()) > 18


def test_pictures_lie_where_the_page_says(reader: Reader) -> None:
    for name in ("chelsea.gradcam.png", "chelsea.gradcam.jpg"):
        with Image.open(reader.folder / name) as picture:
            assert picture.height == 300
    assert reader.space["boxes"].shape[1] == 4
    assert reader.printed.split()[-1] == "1000"
