"""docs/pictures.md: its Python runs, and it names every key of style."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from xaikit.pictures.colors import COLORMAPS
from xaikit.runner.pictures import STYLE
from xaikit.schema.sections import ReportConfig

PAGE = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text(encoding="utf-8")


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    first, second = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(first, "docs/pictures.md", "exec"), space)
    printed, forwards = capsys.readouterr().out, space["report"].counts["forwards"]
    assert "with 4 overlays" in printed
    assert "contact sheet: 2 pages" in printed
    assert [path.name for path in space["report"].sheets] == ["contact-sheet.jpg", "contact-sheet-2.jpg"]
    assert space["report"].overlay("chelsea", "hirescam").name == "chelsea.hirescam.png"
    exec(compile(second, "docs/pictures.md", "exec"), space)
    assert space["report"].counts["forwards"] == forwards
    assert space["report"].overlay("chelsea", "hirescam").name == "chelsea.hirescam.jpg"
    assert not list((tmp_path / "run" / "overlays").glob("*.png")), "those of the style before are gone"


def test_it_names_every_key_colour_map_and_format() -> None:
    keys = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall("`(.*?)`", row)}
    assert keys == {*STYLE, "overlays", "page", "rows", "columns"}
    assert all(f"`{name}`" in PAGE for name in (*COLORMAPS, *get_type_hints(ReportConfig)["format"].__args__))
