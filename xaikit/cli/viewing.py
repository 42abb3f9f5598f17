"""Commands that open a run in the browser."""

from __future__ import annotations

import contextlib
import threading
import webbrowser

import click

from xaikit.cli.terminal import echo


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def view(run: str, no_browser: bool) -> None:
    """Show the page of a RUN in the browser, served on this machine and for it alone, until Ctrl-C."""
    from xaikit.cli.serving import FolderServer
    from xaikit.errors import StoreError
    from xaikit.report.report import Report

    folder = Report(run).folder
    if isinstance(folder, str):
        raise StoreError(f"{folder}: expected a run folder on this machine, got a URL; copy it here to view it")
    with FolderServer(folder, "report.html") as server, contextlib.suppress(KeyboardInterrupt):
        echo(f"{folder} is shown at {server.url} until Ctrl-C")
        if not no_browser:
            # a browser in the terminal returns when it is closed
            threading.Thread(target=webbrowser.open, args=[server.url], daemon=True).start()
        server.serve_forever()
