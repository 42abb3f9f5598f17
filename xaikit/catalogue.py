"""The first docstring line of a module, read without executing it or importing its package."""

from __future__ import annotations

import ast
from importlib import util
from pathlib import Path


def summary_of(module: str) -> str:
    """The first docstring line of a module by its dotted name; what is wrong in brackets where there is none.

    >>> summary_of("xaikit.needs")
    'What a method asks of the engine.'
    >>> summary_of("nowhere.at_all")
    '(not found: nowhere.at_all)'
    """
    path = _source(module)
    if path is None:
        return f"(not found: {module})"
    try:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError, OSError) as error:
        return f"(unreadable: {type(error).__name__})"
    return docstring.splitlines()[0] if docstring else "(no docstring)"


def _source(module: str) -> Path | None:
    """The file of a module. Only the top-level name is asked of the import system: that executes nothing."""
    top, *rest = module.split(".")
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for root in spec.submodule_search_locations or ():
        stem = Path(root).joinpath(*rest)
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                return path
    return None
