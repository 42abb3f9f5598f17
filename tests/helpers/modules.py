"""The modules of a package and what they import, as written: also in functions, and for type checkers only."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from pathlib import Path


def modules_of(package: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name; a package goes by its own."""
    paths = sorted(package.rglob("*.py"))
    names = (path.relative_to(package.parent).with_suffix("").parts for path in paths)
    return {".".join(parts).removesuffix(".__init__"): path for parts, path in zip(names, paths, strict=True)}


def imports(text: str) -> Iterator[str]:
    """The dotted name of all that a module imports; ``from a import b`` is a.b."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(modules: Mapping[str, str]) -> dict[str, set[str]]:
    """By module, given by name and text, the modules among them that it imports."""
    return {
        name: {module for imported in imports(text) for module in _holding(imported, modules)} - {name}
        for name, text in modules.items()
    }


def _holding(imported: str, modules: Collection[str]) -> Iterator[str]:
    """The module of that name, or the one it is a name of; none where both are another's."""
    candidates = (imported, imported.rpartition(".")[0])
    return islice((name for name in candidates if name in modules), 1)


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules of which each imports one beside it, the first and the last the same; none where there is no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
