"""docs/evaluate.md, done as somebody would who reads it."""

from __future__ import annotations

from pathlib import Path

from helpers.pages import Reader, blocks


def test_the_page_runs_as_it_stands(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for block in blocks("evaluate.md"):
        reader.do(block)
    assert {row["metric"].split()[0] for row in reader.space["board"].rows()} == {
        "srg",
        "averagedrop",
        "dropindeletion",
        "sparseness",
        "insertion",
    }
    assert reader.space["sentence"].startswith("By insertion [")
