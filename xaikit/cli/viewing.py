"""``xaikit view``: the page of a run in the browser."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xaikit.cli.terminal import echo

if TYPE_CHECKING:
    from xaikit.report.report import Report

DATA = ("*.json", "*.parquet", "shards/**/*", "measures/**/*")
"""What a page is made of."""


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def view(run: str, no_browser: bool) -> None:
    """Show the page of a RUN in the browser, served on this machine and for it alone, until Ctrl-C."""
    from xaikit.cli.serving import FolderServer
    from xaikit.errors import StoreError
    from xaikit.report.report import Report
    from xaikit.store.pages import PAGE

    report = Report(run)
    folder = report.folder
    if isinstance(folder, str):
        raise StoreError(f"{folder}: expected a run folder on this machine, got a URL; copy it here to view it")
    _write_page(report, folder / PAGE)
    with FolderServer(folder, PAGE) as server, contextlib.suppress(KeyboardInterrupt):
        echo(f"{folder} is shown at {server.url} until Ctrl-C")
        if not no_browser:
            # a browser in the terminal returns when it is closed
            threading.Thread(target=webbrowser.open, args=[server.url], daemon=True).start()
        server.serve_forever()


def _write_page(report: Report, page: Path) -> None:
    """Write the page where there is none, or where the run has gone on since."""
    written = page.stat().st_mtime if page.is_file() else 0.0
    if written >= max(file.stat().st_mtime for pattern in DATA for file in page.parent.glob(pattern)):
        return
    from xaikit.registry import Registry
    from xaikit.runner.page import write_page

    try:
        write_page(report, Registry().lazy())
    except OSError as error:
        if not written:
            raise
        echo(f"{page} is of before, as it cannot be written: {error}", err=True)
