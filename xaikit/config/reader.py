"""Plugins and groups of keys, checked against the fields of their dataclasses."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from xaikit.config.marks import Ledger, Path, raise_faults, shown
from xaikit.config.schema import Use
from xaikit.errors import PluginError, nearest
from xaikit.registry import Registry


@dataclasses.dataclass(frozen=True)
class Reader:
    """What reading needs: where plugins come from, the folder that files are relative to, and where faults go."""

    registry: Registry
    base: FilePath | None
    ledger: Ledger

    def use(self, kind: str, path: Path, said: Mapping[str, Any], name: str = "use") -> Use | None:
        """A plugin and its options as a mapping says them; None where something is wrong with it."""
        wanted = said.get(name)
        if not isinstance(wanted, str):
            hint = f"; add {name}, {nearest('', self.registry.names(kind))}"
            self.ledger.fault((*path, name), f"expected the name of a {kind}, got {shown(wanted)}{hint}")
            return None
        options = {key: value for key, value in said.items() if key != name}
        try:
            cls = self.registry.find(kind, wanted, self.base).cls
        except PluginError as error:
            self.ledger.fault((*path, name), str(error), error)
            return None
        values = self.fields(cls, path, options)
        if values is None or not self._builds(cls, path, values):
            return None
        return Use(wanted, plain(cls, values))

    def fields(self, cls: type, path: Path, said: Mapping[str, Any], what: str = "option") -> dict[str, Any] | None:
        """The fields of a dataclass with their types, defaults filled in; None where something is wrong with one."""
        known = {item.name: item for item in dataclasses.fields(cls) if item.init}
        hints = typing.get_type_hints(cls, include_extras=True)
        for key in [key for key in said if key not in known]:
            self.ledger.fault((*path, key), f"unknown {what}; {nearest(key, known)}")
        values: dict[str, Any] = {}
        for key, item in known.items():
            if key in said:
                values[key] = self.value(hints[key], (*path, key), said[key])
            elif item.default is not dataclasses.MISSING:
                values[key] = item.default
            elif item.default_factory is not dataclasses.MISSING:
                values[key] = item.default_factory()
            else:
                self.ledger.fault((*path, key), "required, but not given")
        return None if self.ledger.is_faulty(path) else values

    def value(self, hint: Any, path: Path, value: Any) -> Any:
        """One value as the type says; what is wrong with it is noted at its own place."""
        try:
            return TypeAdapter(hint).validate_python(value, strict=True if isinstance(value, bool) else None)
        except ValidationError as error:
            for problem in error.errors():
                inner = tuple(part for part in problem["loc"] if isinstance(part, int))
                self.ledger.fault((*path, *inner), self._message(problem, (*path, *inner)))
            return None

    def _message(self, problem: Any, path: Path) -> str:
        text = str(problem["msg"]).replace("Input should be ", "expected ").removeprefix("Value error, ")
        said = problem["input"]
        if isinstance(said, bool):
            word = self.ledger.mark(path).text or shown(said)
            return f'{text}, got {shown(said)}; YAML reads {word} as a boolean: quote it, "{word}"'
        return f"{text}, got {shown(said)}"

    def _builds(self, cls: type, path: Path, values: Mapping[str, Any]) -> bool:
        """Whether the class takes the values; what its ``__post_init__`` refuses is noted at the key it names first."""
        try:
            cls(**values)
        except ValueError as error:
            key, _, rest = str(error).partition(": ")
            named = key in values
            self.ledger.fault((*path, key) if named else path, rest if named else str(error), error)
            return False
        return True


def plain(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of fields as JSON knows them."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {key: TypeAdapter(hints[key]).dump_python(value, mode="json") for key, value in values.items()}


def instantiate(kind: str, use: Use, registry: Registry, base: FilePath | None = None) -> Any:
    """The plugin that a :class:`Use` means, an instance of its dataclass.

    Raises:
        ConfigError: an option is unknown or has the wrong type.
        UnknownPlugin, PluginConflict, PluginContract, PluginError: the plugin cannot be had.
    """
    cls = registry.find(kind, use.use, base).cls
    ledger = Ledger({}, [])
    values = Reader(registry, base, ledger).fields(cls, (use.use,), use.options)
    raise_faults(ledger.faults)
    assert values is not None
    return cls(**values)
