"""``xaikit figure``: a grid of a run's maps as a paper prints it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import click

from xaikit.cli.terminal import echo
from xaikit.errors import ConfigError


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--to", required=True, help="A file such as figure.pdf, figure.svg or figure.png.")
@click.option(
    "--rows", default="", metavar="NAME,...", help="Photographs by file name or stem; the first four by default."
)
@click.option(
    "--columns", default="", metavar="NAME,...", help="Trials or labels, or a layer's map: layer4, gradcam:layer4."
)
@click.option("--title", "titles", multiple=True, metavar="NAME=TEXT", help="Other words for a row or column.")
@click.option("--width", default=85.0, show_default=True, help="In millimetres.")
@click.option("--raw", is_flag=True, help="Maps as the method made them, not as the run finished them.")
@click.option("--each", is_flag=True, help="Each map on a scale of its own, not one for all.")
@click.option("--alpha", default=0.5, show_default=True, help="Share of the colours; 1 is the map alone.")
@click.option("--colormap", default="auto", show_default=True)
@click.option("--photograph/--no-photograph", default=True, show_default=True, help="The photograph as first column.")
@click.option("--target", default=0, show_default=True, help="Which of several targets.")
@click.option(
    "--trust", is_flag=True, help="Import finishers that RUN names from files or modules: its author's code is run."
)
def figure(run: str, to: str, titles: tuple[str, ...], raw: bool, each: bool, trust: bool, **options: Any) -> None:
    """Draw a grid of the maps of a RUN for a paper: fonts embedded, sizes in millimetres, one colour bar (extra `plot`)."""
    from xaikit.paper.figure import column_names, row_names
    from xaikit.paper.figure import figure as figure_of
    from xaikit.report.report import Report

    report = Report(run, trust=trust)
    names = {"rows": row_names(report), "columns": column_names(report.index)}
    chosen = {key: _listed(options[key], names[key]) for key in names}
    known = {*chosen["rows"], *chosen["columns"], *names["rows"], *names["columns"]}
    options |= chosen
    options |= {
        "titles": dict(_title(text, known) for text in titles),
        "maps": "raw" if raw else "finished",
        "scale": "each" if each else "locked",
    }
    drawn = figure_of(report, **options)
    echo(f"{len(drawn.rows)} rows and {len(drawn.columns)} columns, {drawn.width:g} mm wide: {drawn.save(to)}")


def _listed(text: str, known: Collection[str]) -> list[str]:
    """Names with commas between them, each the longest that is known, as a name may have commas itself.

    >>> _listed("a,b=[1,2],c", {"a", "b=[1,2]"})
    ['a', 'b=[1,2]', 'c']
    """
    pieces, names = text.split(","), []
    while pieces:
        starts = (count for count in range(len(pieces), 0, -1) if ",".join(pieces[:count]) in known)
        count = next(starts, 1)
        names.append(",".join(pieces[:count]))
        del pieces[:count]
    return [name for name in names if name]


def _title(text: str, known: Collection[str]) -> tuple[str, str]:
    """NAME and TEXT, either of which may have an equals sign: NAME is the shortest that is known."""
    pieces = text.split("=")
    splits = [("=".join(pieces[:count]), "=".join(pieces[count:])) for count in range(1, len(pieces))]
    if not splits or not splits[0][0]:
        raise ConfigError(f"--title: expected NAME=TEXT, got {text!r}")
    return next((split for split in splits if split[0] in known), splits[-1])
