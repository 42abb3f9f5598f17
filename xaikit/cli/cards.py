"""Configs and plugins as text for the terminal."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xaikit.cli.metric_facts import declared
from xaikit.needs import Needs
from xaikit.plain.text import flow
from xaikit.registry import Entry, Plugin, needs_of, paper_of, traits_of


def shown(plain: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """A resolved config as YAML, with where each value came from as a comment."""
    lines = list(_lines(plain, origins, "", ""))
    width = min(max((len(line) for line, _ in lines), default=0), 60)
    return "\n".join(f"{line:<{width}}  # {origin}" if origin else line for line, origin in lines)


def _lines(plain: Mapping[str, Any], origins: Mapping[str, str], parent: str, indent: str) -> Iterator[tuple[str, str]]:
    for key, value in plain.items():
        full = f"{parent}.{key}" if parent else key
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}:", ""
            yield from _lines(value, origins, full, indent + "  ")
        else:
            yield f"{indent}{key}: {flow(value)}", origins.get(full, "default")


def catalogue(entries: Sequence[Entry], width: int | None = None) -> str:
    """One line a plugin: its name and what its module says of itself; a third party's with its distribution.

    Where a line has only so many letters, what is too long goes on in the next one.
    """
    if not entries:
        return "there are none"
    first = max(len(entry.name) for entry in entries) + 2
    texts = (f"{entry.name:<{first}}{entry.summary}  [{entry.distribution}]" for entry in entries)
    lines = (text.removesuffix("  [xaikit]") for text in texts)
    if width is None:
        return "\n".join(lines)
    return "\n".join(textwrap.fill(line, max(width, first + 20), subsequent_indent=" " * first) for line in lines)


def card(plugin: Plugin) -> str:
    """What there is to know of one plugin: citation, equation, cost, faults, peers, options, needs, traits and finish."""
    module = sys.modules[plugin.cls.__module__]
    parts = [
        f"{plugin.name}  ({plugin.kind} of {plugin.distribution} {plugin.version})".rstrip(),
        (module.__doc__ or "(no docstring)").splitlines()[0],
        "",
        inspect.cleandoc(plugin.cls.__doc__ or "(no docstring)"),
        "",
        *_options(plugin.cls),
        *(declared(plugin.cls) if plugin.kind == "metric" else _declared(plugin.cls)),
    ]
    return "\n".join(parts)


def _options(cls: type) -> list[str]:
    rows = [f"  {item.name}: {_type(item.type)} = {_default(item)}" for item in dataclasses.fields(cls)]
    return ["options:", *rows] if rows else ["options: none"]


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(item: dataclasses.Field[Any]) -> str:
    if item.default is not dataclasses.MISSING:
        return repr(item.default)
    return repr(item.default_factory()) if item.default_factory is not dataclasses.MISSING else "(required)"


def _declared(cls: type) -> list[str]:
    lines = []
    needs, traits = needs_of(cls), traits_of(cls)
    if needs is not None:
        lines.append(f"needs: {_needs(needs)}")
    if traits is not None:
        lines.append(f"traits: {', '.join(sorted(traits)) or 'none'}")
    if paper := paper_of(cls):
        stages = ", ".join(f"{stage} {flow(choice)}" for stage, choice in paper.items())
        lines.append(f"finish of its paper: {stages}")
    if traits is not None:
        lines.append(f"deterministic: {'yes' if 'deterministic' in traits else 'no, drawn from the seed'}")
        lines.append(f"class specific: {_class_specific(traits, needs)}")
    return lines


def _needs(needs: Needs) -> str:
    """The needs that differ from asking for nothing; levels and breadths with their value."""
    names = [
        item.name if value is True else f"{item.name} {value}"
        for item in dataclasses.fields(needs)
        if (value := getattr(needs, item.name)) != item.default and item.name != "scores"
    ]
    # of all layers it sees what it asks for, of none nothing
    return ", ".join(["activations", *names] if needs.layers == "one" else names)


def _class_specific(traits: frozenset[str], needs: Needs | None) -> str:
    if "class_specific" in traits:
        return "yes"
    return "not asserted" if needs is None or needs.scores else "no, the target plays no part"
