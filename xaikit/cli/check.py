"""``xaikit check``: the contract of a plugin as a table, each failure with how to see it again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from xaikit.cli.progress import track
from xaikit.cli.terminal import cell, show
from xaikit.errors import ConfigError, nearest
from xaikit.registry import Registry
from xaikit.testing import Check, CheckFailed, checks_of
from xaikit.testing.subjects import Subject


def check(kind: str, plugin: str, only: Sequence[str] = ()) -> bool:
    """Run the checks of a plugin and print what came of them. True if all hold.

    Args:
        only: names of checks; all of them where none is given.

    Raises:
        ConfigError: there is no check of that name.
        PluginError: the plugin cannot be had, whatever it would do.
    """
    Subject(kind, plugin, Registry()).plugin  # noqa: B018
    console = Console()
    table = Table("check", "", "seconds", title=cell(f"{kind} {plugin}"), title_justify="left")
    failures: dict[str, list[CheckFailed]] = {}  # by what went wrong: one cause may fail many checks
    chosen = _chosen(checks_of(kind, plugin), only)
    for one in track(chosen, len(chosen), "checks"):
        began = time.perf_counter()
        holds = "ok"
        try:
            one()
        except CheckFailed as error:
            holds = "FAILED"
            failures.setdefault(error.reason or str(error), []).append(error)
        table.add_row(cell(one.name), holds, f"{time.perf_counter() - began:.1f}")
    console.print(table)
    for first, *others in failures.values():
        show(console, str(first), style="red")
        if others:
            names = ", ".join(str(failure).partition(":")[0] for failure in others)
            show(console, f"  the same: {names}", style="red")
    failed = sum(map(len, failures.values()))
    show(console, f"{len(chosen) - failed} of {len(chosen)} checks hold")
    return not failures


def _chosen(checks: Sequence[Check], only: Sequence[str]) -> list[Check]:
    names = [check.name for check in checks]
    for name in only:
        if name not in names:
            raise ConfigError(f"no check {name!r}; {nearest(name, names)}")
    return [check for check in checks if not only or check.name in only]
