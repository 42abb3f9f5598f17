"""docs/export.md: done line by line, and it says what comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from helpers.pages import blocks
from xaikit.cli.commands import commands


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, shell, printed, python = blocks("export.md")
    Path(config.file).write_text(config.text, encoding="utf-8")
    command = shell.text.strip().splitlines()[-1].removeprefix("xaikit ")
    ran = CliRunner().invoke(commands, command.split())
    assert ran.exit_code == 0, ran.output
    assert ran.output.startswith(f"{printed.text.strip()}; within ")
    space: dict[str, Any] = {}
    exec(compile(python.text, "export.md", "exec"), space)
    assert space["gradcam"].shape == space["layercam"].shape == (2, 3, 64, 64)
    assert space["logits"].shape == (2, 1000)
