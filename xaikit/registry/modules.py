"""Python modules as files: found and summarized without being executed, or imported from a path."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sys
from importlib import util
from pathlib import Path
from types import ModuleType


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


def from_file(path: Path, purpose: str) -> ModuleType:
    """The module of a file, imported once for the same place and content.

    Args:
        path: resolved.
        purpose: a word that names the module, beside the file's name and digest.

    Raises:
        ImportError: it is not a Python file.
        BaseException: whatever its code raises; it counts as not imported then.
    """
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:12]
    name = f"xaikit_{purpose}_{re.sub(r'[^0-9a-zA-Z]', '_', path.stem)}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses and pickle look it up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
