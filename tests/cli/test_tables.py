from __future__ import annotations

import math

import pyarrow as pa
import pytest

from xaikit.analysis.comparison import Comparison, GroupMean, Pair
from xaikit.analysis.statistics import Interval, Paired
from xaikit.cli.tables import as_csv, as_text, show_comparison

TABLE = pa.table({"trial": ["gradcam", None], "score": [0.5, 12.25], "why": ["a,b", "x" * 80]})


def test_columns_are_aligned_and_long_values_cut() -> None:
    lines = as_text(TABLE).splitlines()
    assert lines[0] == "trial    score  why"
    assert lines[1] == "gradcam    0.5  a,b"
    assert lines[2] == "         12.25  " + "x" * 57 + "..."


def test_csv_quotes_what_has_commas() -> None:
    assert as_csv(TABLE).splitlines()[1] == 'gradcam,0.5,"a,b"'


def test_a_comparison_as_values_is_one_table_and_its_notes_are_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    groups = tuple(GroupMean("gini", name, Interval(0.5, 0.25, 0.75, 4, 1), 1, math.nan) for name in "ab")
    pair = Pair("gini", "a", "b", Paired(0.0, -0.5, 0.5, 1.0, 4, 1), 1.0)
    comparison = Comparison("label", 0.95, groups, (pair,), ("a: means of 2 trials each, over layers",))
    show_comparison(comparison, as_values=True)
    out, err = capsys.readouterr()
    header, *rows = out.splitlines()
    assert header == "measure,group,minus,photographs,undefined,mean,low,high,seeds,sd of seeds,p,p (Holm)"
    assert [row.split(",")[:6] for row in rows] == [
        ["gini", "a", "", "4", "1", "0.5"],
        ["gini", "b", "", "4", "1", "0.5"],
        ["gini", "a", "b", "4", "1", "0.0"],
    ]
    assert err == "a: means of 2 trials each, over layers\n"
    show_comparison(comparison, as_values=False)
    assert "over layers" in capsys.readouterr().out
