"""docs/see.md, done as somebody would who reads it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.pages import DOCS, Reader, blocks
from xaikit.cli.figure import figure

PAGE = (DOCS / "see.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody has done all of it."""
    reader = Reader(tmp_path_factory.mktemp("reader"))
    for block in blocks("see.md"):
        # what a line is cut off at, such as a name that is new each time, is not said
        reader.do(replace(block, text=block.text.rstrip()) if block.language == "text" else block)
    return reader.folder


def test_every_block_of_see_does_what_it_says(folder: Path) -> None:
    assert {block.language for block in blocks("see.md")} == {"python", "sh", "text", "yaml"}
    assert (folder / "runs" / "seen" / "report.html").exists()
    assert (folder / "figure.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "layers.svg").exists()


def test_the_page_has_every_option_of_a_figure() -> None:
    section = PAGE.split("## Figures for a paper")[1].split("## ")[0]
    said = set(re.findall(r"--[a-z][a-z-]*", section))
    offered = {name for option in figure.params for name in (*option.opts, *option.secondary_opts) if name != "run"}
    assert said == offered - {"--trust", "--photograph"}
