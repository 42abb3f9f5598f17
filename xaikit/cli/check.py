"""``xaikit check``: the contract of a plugin as a table, each failure with how to see it again."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from xaikit.cli.progress import track
from xaikit.cli.terminal import cell, show
from xaikit.errors import ConfigError, PluginContract, PluginError, nearest
from xaikit.registry import KINDS, Registry
from xaikit.testing import KINDS_CHECKED, Check, CheckFailed, checks_of
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


def kind_of(plugin: str) -> str:
    """The kind of a plugin that is named without it: a method where several kinds have one of that name.

    Raises:
        ConfigError: several other kinds have one.
    """
    registry = Registry()
    kinds = [kind for kind in KINDS_CHECKED if _is_of(kind, plugin, registry)]
    if len(kinds) > 1 and "method" not in kinds:
        raise ConfigError(
            f"{plugin}: expected a plugin of one kind, got a {' and a '.join(kinds)}: say which by --kind"
        )
    if kinds:
        return "method" if "method" in kinds else kinds[0]
    # of a misspelt name the kind that has the likeliest one, so that the error can say so
    owners = {name: kind for kind in reversed(KINDS_CHECKED) for name in registry.names(kind)}
    likeliest = difflib.get_close_matches(plugin, owners, n=1)
    return owners[likeliest[0]] if likeliest else "method"


def _is_of(kind: str, plugin: str, registry: Registry) -> bool:
    if ":" not in plugin and not plugin.endswith(".py"):
        return plugin in registry.names(kind)
    try:
        registry.find(kind, plugin, Path.cwd())
    except PluginContract as error:
        # one that lacks what makes a plugin of this kind is of another
        return not re.search(rf"\b{KINDS[kind].members[-1]}\b", str(error).partition(" lacks ")[2])
    except PluginError:  # who loads it for good is told
        return False
    return True


def _chosen(checks: Sequence[Check], only: Sequence[str]) -> list[Check]:
    names = [check.name for check in checks]
    for name in only:
        if name not in names:
            raise ConfigError(f"no check {name!r}; {nearest(name, names)}")
    return [check for check in checks if not only or check.name in only]
