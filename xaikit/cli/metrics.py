"""`xaikit metrics`: what maps can be judged by, as a table, and what there is to know of one metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from xaikit.cli.metric_facts import better_of, costs_of, default_of
from xaikit.cli.terminal import echo, line_width
from xaikit.errors import PluginError

if TYPE_CHECKING:
    from xaikit.registry import Entry, Registry

COLUMNS = ("metric", "family", "reads", "better", "costs", "suites", "")


@click.command()
@click.argument("name", required=False)
def metrics(name: str | None) -> None:
    """List the metrics that are installed: what they ask, which map they read and what they cost; or show all of NAME."""
    from xaikit.cli.cards import card
    from xaikit.registry import Registry
    from xaikit.report.text import aligned

    registry = Registry()
    if name:
        echo(card(registry.find("metric", name)))
        return
    rows = sorted((_row(registry, entry) for entry in registry.catalogue("metric")), key=lambda row: (row[1], row[0]))
    echo(aligned([COLUMNS, *rows], width=line_width()))


def _row(registry: Registry, entry: Entry) -> Sequence[str]:
    try:
        cls: Any = registry.find("metric", entry.name).cls
    except PluginError as error:
        return entry.name, "", "", "", "", "", str(error)
    owner = "" if entry.distribution == "xaikit" else f"  [{entry.distribution}]"
    suites = ", ".join(sorted(getattr(cls, "suites", ()), reverse=True))
    return (
        entry.name,
        default_of(cls, "family"),
        default_of(cls, "reads"),
        better_of(cls),
        costs_of(cls),
        suites,
        f"{entry.summary}{owner}",
    )
