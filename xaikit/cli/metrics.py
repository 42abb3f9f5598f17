"""`xaikit metrics`: what maps can be judged by, as a table, and what there is to know of one metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

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
        getattr(cls, "family", ""),
        _default(cls, "reads"),
        _better(cls),
        _costs(cls),
        suites,
        f"{entry.summary}{owner}",
    )


def declared(cls: Any) -> Iterator[str]:
    """What the class of a metric declares, a line each."""
    for member in ("equation", "citation", "family"):
        if stated := getattr(cls, member, ""):
            yield f"{member}: {stated}"
    yield f"reads: {_default(cls, 'reads')}"
    low, high = (
        (f"{end:g}" for end in cls.range) if isinstance(cls.range, tuple) else ("of its options", "of its options")
    )
    yield f"better: {_better(cls)}, of {low} to {high}"
    chance = getattr(cls, "chance", None)
    if chance is not None:
        yield f"chance: {chance:g}" if isinstance(chance, int | float) else "chance: of each case"
    needs = [item.name for item in fields(cls.needs) if getattr(cls.needs, item.name)]
    yield f"needs: {', '.join(['maps', *needs])}"
    yield f"costs: {_costs(cls)}"
    if suites := getattr(cls, "suites", ()):
        yield f"suites: {', '.join(sorted(suites, reverse=True))}"
    if why := getattr(cls, "no_oracle", ""):
        yield f"does not rank the truth above noise: {why}"


def _default(cls: Any, name: str) -> str:
    value = getattr(cls, name, None)
    return value if isinstance(value, str) else "of its options"


def _better(cls: Any) -> str:
    if not isinstance(cls.higher_is_better, bool):
        return "of its options"
    return "higher" if cls.higher_is_better else "lower"


def _costs(cls: Any) -> str:
    """With the default options."""
    try:
        made = cls()
    except TypeError:
        return "of its options"
    counts = {"score": getattr(made, "further", 0), "explanation": getattr(made, "explanations", 0)}
    return ", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items() if count) or "nothing"
