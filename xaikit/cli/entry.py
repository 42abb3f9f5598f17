"""What a shell calls: a command, and what is said where it fails."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import click

from xaikit.cli.commands import commands
from xaikit.cli.terminal import echo, write_any_letter
from xaikit.errors import XaikitError

BAD_INPUT, INTERRUPTED = 2, 130

DEBUG = "--debug"
"""Shows the traceback of an error, wherever it stands."""


def main(args: list[str] | None = None) -> Any:
    """Run a command; errors that are xaikit's own are printed without a traceback, with exit code 2."""
    write_any_letter()
    args = sys.argv[1:] if args is None else args
    try:
        return commands.main([each for each in args if each != DEBUG], prog_name="xaikit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except XaikitError as error:
        notes = getattr(error, "__notes__", [])
        if DEBUG in args:
            echo("".join(traceback.format_exception(error)), err=True)
        echo("\n".join([f"xaikit: {type(error).__name__}: {error}", *notes]), err=True)
        sys.exit(BAD_INPUT)
