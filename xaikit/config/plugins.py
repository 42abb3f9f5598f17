"""Plugins and groups of keys, checked against the fields of their dataclasses."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any
from weakref import WeakKeyDictionary

import pydantic
import pydantic_core

from xaikit.config import values
from xaikit.config.faults import Faults, Path, at, shown
from xaikit.config.schema import Use
from xaikit.errors import PluginContract, PluginError, nearest
from xaikit.registry import Registry


@dataclasses.dataclass(frozen=True)
class Reader:
    """What reading needs: where plugins come from, the folder that files are relative to, and where faults go."""

    registry: Registry
    base: FilePath | None
    faults: Faults

    def use(
        self,
        kind: str,
        path: Path,
        said: Mapping[str, Any],
        *,
        key: str = "use",
        words: tuple[str, ...] = (),
        beside: tuple[str, ...] = (),
    ) -> Use | None:
        """A plugin and its options as a mapping says them; None where something is wrong with it.

        ``words`` may stand in place of a plugin's name; ``beside`` are the keys that stand beside the options.
        """
        wanted = said.get(key)
        if not isinstance(wanted, str):
            self._nameless(kind, path, said, key, words)
            return None
        try:
            cls = self.registry.find(kind, wanted, self.base).cls
            hints_of(cls)
        except PluginError as error:
            stated = (*path, key) in self.faults.marks
            self.faults.add((*path, key) if stated else path, str(error), error)
            return None
        options = {option: value for option, value in said.items() if option != key}
        found = self.fields(cls, path, options, f"option of {wanted}", beside)
        return None if found is None or not self.builds(cls, path, found) else Use(wanted, _plain(found))

    def _nameless(self, kind: str, path: Path, said: Mapping[str, Any], key: str, words: tuple[str, ...]) -> None:
        names, a_kind = ", ".join([*words, *self.registry.names(kind)]), f"a{'n' * (kind[0] in 'aeiou')} {kind}"
        if key in said:
            quote = quoting(said[key], self.faults.mark((*path, key)).text)
            self.faults.add((*path, key), f"expected the name of {a_kind}, got {shown(said[key])}{quote}")
        elif not self.faults.is_faulty((*path, key)):
            self.faults.add(path, f"expected the name of {a_kind}, got {shown(dict(said))}; add {key}: {names}")

    def fields(
        self, cls: type, path: Path, said: Mapping[str, Any], what: str = "key", beside: tuple[str, ...] = ()
    ) -> dict[str, Any] | None:
        """The fields of a dataclass with their types, defaults filled in; None where something is wrong with one."""
        known = {item.name: item for item in dataclasses.fields(cls) if item.init}
        hints = hints_of(cls)
        for key in [key for key in said if key not in known]:
            self.faults.add((*path, key), f"unknown {what}; {nearest(key, [*known, *beside])}")
        found: dict[str, Any] = {}
        for key, item in known.items():
            if key in said:
                found[key] = self.value(hints[key], (*path, key), said[key])
            elif not _is_required(item):
                found[key] = _default(hints[key], item)
            elif not self.faults.is_faulty((*path, key)):
                self.faults.add((*path, key), "required, but not given")
        return None if any(self.faults.is_faulty((*path, key)) for key in {*known, *said}) else found

    def value(self, hint: Any, path: Path, value: Any) -> Any:
        """One value as the type says; what is wrong with it is noted at its own place."""
        if self.faults.is_faulty(path):
            return None
        try:
            return values.read(hint, value)
        except pydantic.ValidationError as error:
            for inner, text in values.complaints(error, value):
                self.faults.add((*path, *inner), text + self._quoting(text, (*path, *inner), value, inner))
        except pydantic.errors.PydanticUserError:
            self.faults.add(path, f"a config cannot say a {hint}; leave it out")
        return None

    def _quoting(self, text: str, path: Path, value: Any, inner: Path) -> str:
        """A string that YAML reads as something else needs quotes."""
        try:
            said = at(value, inner)
        except KeyError:
            return ""
        wants_string = "a string" in text or "expected '" in text
        return quoting(said, self.faults.mark(path).text) if wants_string else ""

    def builds(self, cls: type, path: Path, found: Mapping[str, Any]) -> bool:
        """Whether the class takes the values; what its ``__post_init__`` refuses is noted at the key it names first."""
        try:
            cls(**found)
        except ValueError as error:
            key, _, rest = str(error).partition(": ")
            named = key in found
            self.faults.add((*path, key) if named else path, rest if named else str(error), error)
            return False
        return True


def quoting(said: Any, text: str) -> str:
    """What to add to a complaint about a value that should have been quoted."""
    if isinstance(said, bool):
        return f'; YAML reads {text or shown(said)} as a boolean: quote it, "{text or shown(said)}"'
    return f'; quote it, "{text or said}"' if isinstance(said, int | float) else ""


_hints: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()
"""Read once: annotations are made anew each time, and no two of them are equal."""


def hints_of(cls: type) -> dict[str, Any]:
    """The type hints of a dataclass. Raises PluginContract where one has no meaning."""
    try:
        if cls not in _hints:
            _hints[cls] = typing.get_type_hints(cls, include_extras=True)
        return _hints[cls]
    except NameError as error:
        raise PluginContract(f"{cls.__module__}.{cls.__qualname__}: a type hint cannot be read: {error}") from error


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _default(hint: Any, item: dataclasses.Field[Any]) -> Any:
    """The default as its type says (2 for a float is 2.0), or as it stands where JSON cannot say it."""
    factory = item.default_factory
    default = item.default if factory is dataclasses.MISSING else factory()
    try:
        return values.read(hint, values.plain(default))
    except (pydantic.ValidationError, pydantic.errors.PydanticUserError, pydantic_core.PydanticSerializationError):
        return default


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Options in the words of JSON; a default that JSON cannot say stays with the class."""
    said = {}
    for key, value in found.items():
        try:
            said[key] = values.plain(value)
        except pydantic_core.PydanticSerializationError:
            continue
    return said


def instantiate(kind: str, use: Use, registry: Registry, base: FilePath | None = None) -> Any:
    """The plugin that a :class:`Use` means, an instance of its dataclass.

    Raises:
        ConfigError: an option is unknown or has the wrong type.
        UnknownPlugin, PluginConflict, PluginContract, PluginError: the plugin cannot be had.
    """
    cls = registry.find(kind, use.use, base).cls
    faults = Faults()
    found = Reader(registry, base, faults).fields(cls, (use.use,), use.options, f"option of {use.use}")
    faults.close()
    assert found is not None
    return cls(**found)
