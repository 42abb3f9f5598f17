"""Python modules as files: found and summarized without being executed, or imported from a path."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

_importing = threading.RLock()
"""Held while a file is run: another thread that wants the same module waits until it is whole."""


def summary_of(module: str) -> str:
    """The first docstring line of a module by its dotted name; what is wrong in brackets where there is none.

    >>> summary_of("xaikit.needs")
    'What a method asks of the engine.'
    >>> summary_of("nowhere.at_all")
    '(not found: nowhere.at_all)'
    """
    path = file_of(module)
    if path is None or path.suffix != ".py":
        return f"(not found: {module})"
    try:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    except (SyntaxError, ValueError, OSError) as error:
        return f"(unreadable: {type(error).__name__})"
    return docstring.splitlines()[0] if docstring else "(no docstring)"


def source_of(module: str) -> str:
    """The source of an imported module; "" where it has none, as a compiled one."""
    try:
        return inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):
        return ""


def file_of(module: str) -> Path | None:
    """The file of a module, source or compiled. Only the top-level name is asked of the import system: nothing is executed."""
    top, _, inner = module.partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # a module without a spec: made in memory
        return None
    if spec is None:
        return None
    if not inner:
        return Path(spec.origin) if spec.has_location and spec.origin else None
    folders = map(Path, spec.submodule_search_locations or ())
    return next((path for folder in folders if (path := file_in(folder, inner))), None)


def file_in(folder: Path, module: str) -> Path | None:
    """The file of a module by its dotted name below a folder: a source, a package, or compiled."""
    stem = folder.joinpath(*module.split("."))
    paths = [stem.with_name(f"{stem.name}{suffix}") for suffix in (".py", *EXTENSION_SUFFIXES)]
    return next((path for path in (paths[0], stem / "__init__.py", *paths[1:]) if path.is_file()), None)


def module_at(place: str, purpose: str) -> ModuleType:
    """The module of ``file.py``, of ``package.module``, or of ``folder/package.module``.

    Raises:
        FileNotFoundError: there is no such file.
        BaseException: whatever importing raises.
    """
    path = Path(place).expanduser()
    if path.suffix == ".py":
        return module_from_file(path.resolve(strict=True), purpose)
    return _module_in(path.parent.resolve(), path.name) if path.name != place else importlib.import_module(place)


def lies_at(text: str, folder: Path) -> bool:
    """Whether ``file.py:name`` or ``package.module:name`` means something in a folder: any file, a module that is there."""
    place = text.rpartition(":")[0]
    return place.endswith(".py") or (bool(place) and "/" not in place and file_in(folder, place) is not None)


def _module_in(folder: Path, name: str) -> ModuleType:
    """A module by its own name, and no other of that name that was imported from elsewhere; that one stays for others."""
    with beside(folder):
        top = name.partition(".")[0]
        stated = getattr(sys.modules.get(name), "__file__", None)
        elsewhere = bool(stated) and not Path(str(stated)).resolve().is_relative_to(folder)
        same = [other for other in sys.modules if other == top or other.startswith(f"{top}.")] if elsewhere else []
        shadowed = {other: sys.modules.pop(other) for other in same}
        importlib.invalidate_caches()
        try:
            return importlib.import_module(name)
        finally:
            sys.modules.update(shadowed)


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """What lies in a folder can be imported as beside a script, and is found first; afterwards the path is as it was."""
    place = str(folder)
    with _importing:
        sys.path.insert(0, place)
        try:
            yield
        finally:
            sys.path.remove(place)


def class_in(path: Path, member: str) -> str:
    """The one class of a file that has a member of that name, or where none has, that may inherit it; the file is not run.

    Raises:
        LookupError: there is none, or there are several; the message names them.
    """
    classes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    names = [node.name for node in classes if member in {getattr(item, "name", "") for item in node.body}]
    names = names or [node.name for node in classes if node.bases]
    if len(names) != 1:
        raise LookupError(
            f"expected one class with {member}(), got {', '.join(names) or 'none'}; write {path.name}:CLASS"
        )
    return names[0]


def module_from_file(path: Path, purpose: str) -> ModuleType:
    """The module of a file, imported once for the same place and content; it may import what lies beside it.

    Args:
        path: resolved.
        purpose: a word that names the module, beside the file's name and digest.

    Raises:
        ImportError: it is not a Python file.
        BaseException: whatever its code raises; it counts as not imported then.
    """
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:12]
    name = f"xaikit_{purpose}_{re.sub(r'[^0-9a-zA-Z]', '_', path.stem)}_{digest}"
    with _importing:
        return sys.modules[name] if name in sys.modules else _imported(name, path)


def _imported(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses and pickle look it up there
    try:
        with beside(path.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
