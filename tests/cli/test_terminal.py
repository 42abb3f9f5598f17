"""Names, labels, class names and errors as a terminal is given them."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console

import xaikit
from helpers.run_folders import commit, planned, row, trial
from helpers.runs import config, pictures
from xaikit.cli import main
from xaikit.cli.progress import Progress
from xaikit.cli.terminal import cell, echo, show
from xaikit.store.rows import Failure

NASTY = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp.\u2066\u2028\x7f[red]:bomb:[/red]"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp.\u2066\u2028\x7f[red]:bomb:[/red]"


def call(*args: str) -> None:
    with contextlib.suppress(SystemExit):
        main(list(args))


def is_harmless(text: str) -> bool:
    return all(char.isprintable() or char in "\n" for char in text)


def test_what_is_printed_shows_controls_and_obeys_none(capsys: pytest.CaptureFixture[str]) -> None:
    echo(f"{NASTY}\nnext\tline")
    echo(NASTY, err=True)
    assert capsys.readouterr() == (f"{SHOWN}\nnext\tline\n", f"{SHOWN}\n")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200)
    show(console, NASTY)
    console.print(cell(NASTY + "\n"))
    assert out.getvalue() == f"{SHOWN}\n{SHOWN}\\n\n"


def test_languages_stay_readable(capsys: pytest.CaptureFixture[str]) -> None:
    echo("Küche, 台所, می‌خواهم, 👩‍🍳")
    assert capsys.readouterr().out == "Küche, 台所, می‌خواهم, 👩‍🍳\n"


def test_tables_of_a_folder_show_the_names_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = f"a{NASTY}\n.jpg"
    store = planned(tmp_path, [trial(NASTY)], [name])
    commit(store, "000000-a", [row(name, target_name=NASTY, prediction_name=NASTY)])
    store.write_failures([Failure("bench1", name, error=NASTY)])
    for sql in ("SELECT name, trial, target_name FROM records", "FROM failures", f'SELECT 1 AS "{NASTY}"'):
        call("query", str(tmp_path), sql)
        shown = capsys.readouterr().out
        assert SHOWN in shown
        assert is_harmless(shown)
        assert len(shown.splitlines()) == 2
    call("query", str(tmp_path), f"SELEC '{NASTY}'")
    assert is_harmless(capsys.readouterr().err)


def test_a_run_shows_its_photographs_classes_and_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("a\x1b[31m[bold]b.png", "c\x1b[2J\n:bomb:.png")
    pictures(tmp_path / "photos", names)
    (tmp_path / "photos" / names[1]).write_bytes(b"no picture")
    values = config(tmp_path)
    values["model"]["classes"] = [f"{number}\x1b[31m[red]" for number in range(5)]
    values["methods"] = {"g\x1b[7m[blink]": {"use": "gradcam"}}
    report = xaikit.run(values)
    out = io.StringIO()
    Progress(Console(file=out, width=300)).show(report)
    assert is_harmless(out.getvalue())
    for shown in (r"a\x1b[31m[bold]b.png", r"\x1b[31m[red]", r"c\x1b[2J\n:bomb:.png"):
        assert shown in out.getvalue()
    call("compare", str(report.folder))
    assert r"g\x1b[7m[blink]" in (printed := capsys.readouterr().out)
    assert is_harmless(printed)


def test_a_terminal_of_few_letters_is_shown_the_others_as_escapes(tmp_path: Path) -> None:
    pictures(tmp_path / "photos", ("kü.png", "日本.png"))
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config(tmp_path)))
    command = [sys.executable, "-m", "xaikit", "run", str(tmp_path / "c.yaml")]
    done = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert r"k\xfc.png" in done.stdout
    assert r"\u65e5\u672c.png" in done.stdout
