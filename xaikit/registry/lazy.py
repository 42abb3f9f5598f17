"""Modules whose statements are executed when what they bind is first asked for.

The options of a plugin need no torch, but its module imports it for what is computed. A command that computes nothing opens
plugins by this: an import, a constant, a function or a class of the module is executed once its name is read, be it by another
statement, by an annotation of a class, or in the body of a function that is called.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import re
import sys
import threading
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from xaikit.hookspecs import PROJECT
from xaikit.registry.modules import file_of

_executing = threading.RLock()
"""Held while a statement is executed: another thread that asks for what it binds waits until it is bound."""


_PREFIX = "lazy "


def home_of(cls: type) -> str:
    """The name of the module that a class is written in, whether that was imported or is lazy."""
    return cls.__module__.removeprefix(_PREFIX)


def lazy_module(name: str) -> ModuleType:
    """A module by its dotted name, executed as far as it is used, and so those of its own package that it imports from.

    Its classes are others than those of the module itself, which is not imported by this. The module itself is returned where it
    has been imported already, and imported where it cannot be taken apart: a package, one without a source, one that imports
    what is not there, or one with a statement that binds nothing.

    Raises:
        BaseException: whatever its statements raise.
    """
    alias = f"{_PREFIX}{name}"
    if name in sys.modules or alias in sys.modules:
        return sys.modules.get(name) or sys.modules[alias]
    path = file_of(name)
    tree = None if path is None or path.name == "__init__.py" else _parsed(path)
    if path is None or tree is None:
        return importlib.import_module(name)
    # dataclasses and typing look up there what an annotation means
    module = sys.modules[alias] = ModuleType(alias, ast.get_docstring(tree))
    try:
        _Names(module, name, path, tree).bind_hooks()
    except BaseException:
        del sys.modules[alias]
        raise
    return module


class _Names(dict[str, Any]):
    """The builtins of a lazy module: Python looks there for a name that the module has not bound yet."""

    def __init__(self, module: ModuleType, name: str, path: Path, tree: ast.Module) -> None:
        super().__init__(vars(builtins), __import__=self._import)
        self._package, self._path, self._module = name.rpartition(".")[0], path, vars(module)
        self._futures = [each for each in tree.body if isinstance(each, ast.ImportFrom) and each.module == "__future__"]
        self._waiting: dict[str, list[ast.stmt]] = {}
        for statement in tree.body:
            for bound in _bound_by(statement):
                self._waiting.setdefault(bound, []).append(statement)
        self._module.update(
            __file__=str(path), __package__=self._package, __builtins__=self, __getattr__=self._attribute
        )

    def bind_hooks(self) -> None:
        """Execute what is looked for by its name alone: the hooks of a plugin, and which version of them it was built for."""
        for name in [name for name in self._waiting if name.startswith(f"{PROJECT}_")]:
            self._attribute(name)

    def __missing__(self, name: str) -> Any:
        with _executing:
            if name not in self._module:
                self._bind(name)
        return self._module[name]

    def _bind(self, name: str) -> None:
        statements = self._waiting.pop(name)
        try:
            for statement in statements:
                self._execute(statement)
        except BaseException:
            self._waiting[name] = statements  # who asks again is told the same
            raise

    def _execute(self, statement: ast.stmt) -> None:
        for name in _in_annotations(statement):
            if name in self._waiting:
                self._attribute(name)
        code = compile(ast.Module([*self._futures, statement], []), self._path, "exec", dont_inherit=True)
        exec(code, self._module)

    def _attribute(self, name: str) -> Any:
        if name not in self._module and name not in self._waiting:
            raise AttributeError(f"module {self._module['__name__']!r} has no attribute {name!r}")
        return self._module[name] if name in self._module else self[name]

    def _import(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: tuple[str, ...] = (), level: int = 0
    ) -> ModuleType:
        full = resolve_name("." * level + name, self._package)
        if fromlist and full.partition(".")[0] == self._package.partition(".")[0] != PROJECT:
            return lazy_module(full)
        return builtins.__import__(name, globals, locals, fromlist, level)


def _parsed(path: Path) -> ast.Module | None:
    """The statements of a file, an import of several names parted; None where one of them cannot wait."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):  # to import it will say so
        return None
    statements = [part for statement in tree.body for part in _parts(statement)]
    can_wait = all(_is_idle(each) or (_bound_by(each) and _is_there(each)) for each in statements)
    return ast.Module(statements, []) if can_wait else None


def _parts(statement: ast.stmt) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.Import):
        yield from (ast.copy_location(ast.Import([alias]), statement) for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        parts = (ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names)
        yield from (ast.copy_location(part, statement) for part in parts)
    else:
        yield statement


def _is_idle(statement: ast.stmt) -> bool:
    """Whether it does nothing when it runs: a text, or what is there for type checkers."""
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test).endswith("TYPE_CHECKING") and not statement.orelse
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _bound_by(statement: ast.stmt) -> list[str]:
    """The names that a statement binds; none of one that is not taken apart."""
    match statement:
        case ast.Import([alias]):
            return [alias.asname or alias.name.partition(".")[0]]
        case ast.ImportFrom(names=[alias]):
            return [] if alias.name == "*" else [alias.asname or alias.name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
        case _:
            return []


def _is_there(statement: ast.stmt) -> bool:
    """Whether what it imports is installed, if it imports anything; nothing is imported to tell."""
    match statement:
        case ast.Import([ast.alias(name=name)]) | ast.ImportFrom(module=str(name), level=0):
            top = name.partition(".")[0]
            return top in sys.stdlib_module_names or file_of(top) is not None
        case _:
            return True


def _in_annotations(statement: ast.stmt) -> list[str]:
    """What may be a name in the annotations of a class: they are read otherwise than statements are executed."""
    body = statement.body if isinstance(statement, ast.ClassDef) else []
    texts = (ast.unparse(each.annotation) for each in body if isinstance(each, ast.AnnAssign))
    return [name for text in texts for name in re.findall(r"\w+", text)]
