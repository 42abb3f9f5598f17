"""docs/run-folder.md: its Python runs, and what it lists is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xaikit.store.owner import FORMAT
from xaikit.store.rows import ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "run-folder.md").read_text(encoding="utf-8")


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(code, "docs/run-folder.md", "exec"), {})


def test_it_is_of_this_format_and_names_every_column() -> None:
    assert f"Format {FORMAT};" in PAGE
    columns = PAGE.partition("## Parts")[2].partition("**Which rows count.**")[0]
    assert {
        name for row in re.findall(r"^\| (`.*?) \|", columns, re.MULTILINE) for name in re.findall("`(.*?)`", row)
    } == {*ROWS.names}
