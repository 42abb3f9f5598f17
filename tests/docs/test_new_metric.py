"""docs/write-a-metric.md, done as somebody would who reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

import xaikit
from helpers.pages import Reader, blocks
from xaikit.testing import CheckFailed, metric_checks


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Has read the page."""
    one = Reader(tmp_path_factory.mktemp("reader"))
    for block in blocks("write-a-metric.md"):
        one.do(block)
    return one


def test_every_block_of_write_a_metric_does_what_it_says(reader: Reader) -> None:
    assert {block.language for block in blocks("write-a-metric.md")} == {"python", "sh", "text", "yaml"}
    measures = xaikit.Report(Path(reader.folder) / "runs" / "halves").measures.to_pylist()
    assert {row["metric_label"] for row in measures} == {"halves", "grey"}
    assert all(-1 <= row["value"] <= 1 for row in measures)


def test_the_flaw_of_the_first_try_is_found(reader: Reader) -> None:
    cls = type("Halves", (reader.space["Halves"],), {"chance": 0.0, "further": 2})
    (check,) = [one for one in metric_checks(cls) if one.name == "chance_is_as_declared"]
    with pytest.raises(CheckFailed, match="expected it in the mean of a constant map"):
        check()
