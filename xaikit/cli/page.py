"""``xaikit page``: the page of a run once more, or of two runs beside each other."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from xaikit.cli.terminal import echo


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("beside", metavar="[RUN_B]", required=False)
@click.option(
    "--to", type=click.Path(dir_okay=False), help="A file; RUN/report.html, or RUN/beside-<RUN_B>.html of two."
)
@click.option(
    "--trust", is_flag=True, help="Import finishers that RUN names from files or modules: its author's code is run."
)
def page(run: str, beside: str | None, to: str | None, trust: bool) -> None:
    """Write the page of a RUN once more, or one of RUN and RUN_B beside each other, with what they differ by."""
    from xaikit.registry import Registry
    from xaikit.report.report import Report
    from xaikit.runner.page import page_of
    from xaikit.store.folder import folder_of
    from xaikit.store.pages import PAGE, save_pages

    reports = [Report(each, trust=trust) for each in (run, beside) if each is not None]
    name = PAGE if beside is None else f"beside-{_beside(*(str(report.folder) for report in reports))}.html"
    folder = reports[0].index.store.folder
    if to is not None:
        folder, name = folder_of(Path(to).parent), Path(to).name
    files = page_of(reports, Registry(paths=trust).lazy(), name)
    save_pages(folder, files)
    echo(f"{sum(len(text.encode()) for text in files.values()) / 1e6:.1f} MB: {folder.url(name)}")


def _beside(run: str, other: str) -> str:
    """The other run as a name of a file: its path as seen from beside the run, so that no two go by the same.

    >>> _beside("runs/a", "runs/b"), _beside("runs/a", "other/a")
    ('b', 'other-a')
    """
    parts = os.path.relpath(other, os.path.dirname(run) or ".").replace("\\", "/").split("/")
    return re.sub(r"[^\w.-]+", "-", "-".join(part for part in parts if part != "..")) or "itself"
