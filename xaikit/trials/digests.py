"""Digests of source code: what a raw map depends on beside its options. Nothing is imported to be digested.

Who edits a formula and leaves the version as it is gets other keys, so that maps of the old formula are not taken for its own.
Imports are read from the text (``ast``); one that is made by a call, as by ``importlib``, is not seen.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import sys
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

from xaikit.registry import Plugin
from xaikit.registry.lazy import home_of
from xaikit.registry.modules import file_in, file_of

ROOTS = ("xaikit.engine", "xaikit.evidence.taps", "xaikit.auto.auto", "xaikit.ops", "xaikit.view")
"""Where the modules begin that raw maps are computed by."""


BLIND = (
    # the stages of a finish come after the raw maps, and their choices are in a trial's own key
    "xaikit.finish",
    # what is said and who is meant stands in the key as well; how it was read changes no map
    *("xaikit.config", "xaikit.schema", "xaikit.registry", "xaikit.hookspecs"),
    # texts
    "xaikit.errors",
)
"""Modules of xaikit that raw maps do not depend on, although those that compute them import them."""


Find = Callable[[str], Path | None]

_Import = tuple[int, str, tuple[str, ...]]
"""One statement: how many dots, the module, and the names that are imported from it."""


def short(text: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


JUDGES = ("xaikit.evaluation.judging", "xaikit.metric")
"""Where the modules begin that maps are judged by."""


def engine() -> str:
    """The digest of xaikit's own modules that raw maps depend on."""
    return _digest(modules_of_engine())


def judges() -> str:
    """The digest of xaikit's own modules that what is measured of a map depends on."""
    return _digest(modules_of_engine(JUDGES))


def modules_of_engine(roots: Collection[str] = ROOTS) -> dict[str, Path]:
    """These modules by name."""

    def find(module: str) -> Path | None:
        # not xaikit itself: the public face names everything, and nothing inside depends on it
        blind = any(module == other or module.startswith(f"{other}.") for other in BLIND)
        return file_of(module) if module.startswith("xaikit.") and not blind else None

    return _closure(roots, find)


def plugin(plugin: Plugin) -> str:
    """The digest of a plugin's module and of those of its own package that it imports, one through the other.

    Of a plugin that is a file, these are the file and the modules beside it. A module without a source (compiled, or made in
    memory) counts with its name and the version of its distribution.
    """
    modules = modules_of(plugin)
    return short(f"{plugin.version}:{home_of(plugin.cls)}") if not modules else _digest(modules)


def modules_of(plugin: Plugin) -> dict[str, Path]:
    """These modules by name; a file goes by its own name, wherever it lies."""
    file = _own_file(plugin.module)
    if file is not None:
        return _closure([file.stem], lambda module: file_in(file.parent, module))
    tops = {name.partition(".")[0] for name in (plugin.module, home_of(plugin.cls))} | _tops(plugin.distribution)
    tops -= {"xaikit"}
    names = [plugin.module.partition(":")[0], home_of(plugin.cls)]
    return _closure(names, lambda module: file_of(module) if module.partition(".")[0] in tops else None)


def source_digest(module: ModuleType) -> str:
    """The digest of a module and of those beside it that it imports, one through the other."""
    file = getattr(module, "__file__", None)
    if not file:
        return short(module.__name__)
    is_script = module.__name__ == "__main__" or module.__name__.startswith("xaikit_")
    folder, inner = Path(file).parent, "" if is_script else module.__name__
    for _ in range(inner.count(".") + (Path(file).stem == "__init__")):
        folder = folder.parent
    return _digest(_closure([inner or Path(file).stem], lambda name: file_in(folder, name)))


def identity(plugin: Plugin) -> str:
    """One name for a plugin, however it was asked for: module and class."""
    file = _own_file(plugin.module)
    return f"{file.name if file else home_of(plugin.cls)}:{plugin.cls.__qualname__}"


def _own_file(module: str) -> Path | None:
    """The file of a plugin that was asked for by its path: the registry gives its module a name of its own making."""
    if not module.startswith("xaikit_file_"):
        return None
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if file else None


def _closure(names: Collection[str], find: Find) -> dict[str, Path]:
    """The modules that can be found of some names, of what these import, and so on; with the packages that they lie in."""
    modules: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        path = find(name) if name and name not in modules else None
        if path is not None:
            modules[name] = path
            waiting += [name.rpartition(".")[0], *_imports(name, path)]
    return modules


def _digest(modules: dict[str, Path]) -> str:
    """One digest of several files; the folders that they lie in play no part."""
    return short("\n".join(f"{name} {_read(path)[0]}" for name, path in sorted(modules.items())))


def _imports(module: str, path: Path) -> list[str]:
    """All that a module may import, by full name: what stands behind ``from a import`` may be a module or not."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for level, base, imported in _read(path)[1]:
        up = package.split(".")[: len(package.split(".")) - level + 1] if level else []
        whole = ".".join([*up, *([base] if base else [])])
        names += [whole, *(f"{whole}.{name}" if whole else name for name in imported)]
    return names


def _read(path: Path) -> tuple[str, tuple[_Import, ...]]:
    """The digest of a file and its imports."""
    status = path.stat()
    return _parsed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _parsed(path: Path, mtime_ns: int, size: int) -> tuple[str, tuple[_Import, ...]]:
    code, imports = path.read_bytes(), tuple[_Import, ...]()
    with contextlib.suppress(SyntaxError, ValueError):  # who imports it will say so
        imports = tuple(_statements(ast.parse(code))) if path.suffix == ".py" else ()
    return hashlib.sha256(code).hexdigest(), imports


def _statements(tree: ast.Module) -> Iterator[_Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)


@lru_cache(maxsize=256)
def _tops(distribution: str) -> frozenset[str]:
    """The top-level modules of a distribution, as far as it lists them."""
    try:
        files = metadata.distribution(distribution).files or ()
    except (metadata.PackageNotFoundError, ValueError):  # asked for by a path
        return frozenset()
    return frozenset(
        path.parts[0].removesuffix(".py") for path in files if path.suffix == ".py" and ".." not in path.parts
    )
