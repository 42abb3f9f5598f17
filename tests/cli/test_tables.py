from __future__ import annotations

import pyarrow as pa

from xaikit.cli.tables import as_csv, as_text

TABLE = pa.table({"trial": ["gradcam", None], "score": [0.5, 12.25], "why": ["a,b", "x" * 80]})


def test_columns_are_aligned_and_long_values_cut() -> None:
    lines = as_text(TABLE).splitlines()
    assert lines[0] == "trial    score  why"
    assert lines[1] == "gradcam    0.5  a,b"
    assert lines[2] == "         12.25  " + "x" * 57 + "..."


def test_csv_quotes_what_has_commas() -> None:
    assert as_csv(TABLE).splitlines()[1] == 'gradcam,0.5,"a,b"'
