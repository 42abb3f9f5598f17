"""The one place that prints: whatever names and errors hold, a terminal shows it and obeys none of it."""

from __future__ import annotations

import io
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from xaikit.plain.text import escaped

if TYPE_CHECKING:  # most commands need no rich
    from rich.console import Console
    from rich.text import Text


def echo(text: str, *, err: bool = False) -> None:
    """Print lines to stdout, or to stderr."""
    click.echo(escaped(text, kept="\n\t"), err=err)


def line_width() -> int | None:
    """The letters of a line of the terminal; None where lines go to a file or another program, which takes any."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else None


def write_any_letter() -> None:
    """Have stdout and stderr write as escapes what their encoding has no letters for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show(console: Console, text: str, **options: Any) -> None:
    """Print lines by rich, in which no markup means anything."""
    console.print(_plain(escaped(text, kept="\n\t")), soft_wrap=True, **options)


def cell(text: str) -> Text:
    """One cell of a table, on one line."""
    return _plain(escaped(text))


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(text)
