"""docs/sweeps.md is done as it is written: its commands print what it says, its Python runs."""

from __future__ import annotations

import fnmatch
import re
import shlex
from pathlib import Path

import pytest
import yaml

from xaikit.cli.commands import commands

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, list[str]]]:
    """Every command of the page with the lines it is expected to print."""
    commands: list[tuple[str, list[str]]] = []
    for line in "".join(fences("console")).splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            commands[-1][1].append(line.rstrip())
    return commands


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether the lines are those printed; ``...`` alone stands for any lines, within a line for any text."""
    if not expected:
        return not printed
    if expected[0].strip() == "...":
        return any(matches(expected[1:], printed[skip:]) for skip in range(len(printed) + 1))
    if not printed:
        return False
    pattern = re.sub(r"([\[*?])", r"[\1]", expected[0]).replace("...", "*")
    return fnmatch.fnmatchcase(printed[0].rstrip(), pattern) and matches(expected[1:], printed[1:])


def test_the_page_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "sweep.yaml").write_text((ROOT / "configs" / "sweep.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    assert len(steps()) == 6
    for command, expected in steps():
        with pytest.raises(SystemExit) as ended:
            commands(shlex.split(command)[1:], prog_name="xaikit")
        assert not ended.value.code
        printed = capsys.readouterr().out.rstrip("\n").splitlines()
        assert matches(expected, printed), "\n".join([command, *printed])
    for code in fences("python"):
        exec(compile(code, "docs/sweeps.md", "exec"), {})


def test_the_sweep_of_the_page_is_that_of_the_config() -> None:
    config = yaml.safe_load((ROOT / "configs" / "sweep.yaml").read_text())
    assert yaml.safe_load(fences("yaml")[0])["sweep"] == config["sweep"]
