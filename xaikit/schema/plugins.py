"""Plugins and values, checked against the fields of their dataclasses."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar

import pydantic
import pydantic_core

from xaikit.errors import PluginError, nearest
from xaikit.plain import values
from xaikit.plain.faults import ARGUMENT, DEFAULT, Faults, Path, quoting, shown
from xaikit.registry import Registry
from xaikit.schema.keys import Key, Use, keys_of

T = TypeVar("T")


@dataclass(frozen=True)
class Reader:
    """What reading needs: where plugins come from, the folder that files are relative to, and where faults go."""

    registry: Registry
    base: FilePath | None
    faults: Faults

    def use(
        self,
        kind: str,
        path: Path,
        mapping: Mapping[str, Any],
        *,
        key: str = "use",
        words: tuple[str, ...] = (),
        beside: tuple[str, ...] = (),
    ) -> Use | None:
        """A plugin and its options as a mapping says them; None where something is wrong with it.

        ``words`` may stand in place of a plugin's name; ``beside`` are the keys that stand beside the options.
        """
        name = mapping.get(key)
        if not isinstance(name, str):
            self._nameless(kind, path, mapping, key, words)
            return None
        try:
            cls = self.registry.find(kind, name, self.base).cls
            keys_of(cls)
        except PluginError as error:
            is_marked = (*path, key) in self.faults.marks
            self.faults.add((*path, key) if is_marked else path, str(error), error)
            return None
        options = {option: value for option, value in mapping.items() if option != key}
        checked = self.options(cls, path, options, name, beside)
        return None if checked is None or self.build(cls, path, checked) is None else Use(name, _plain(checked))

    def _nameless(self, kind: str, path: Path, mapping: Mapping[str, Any], key: str, words: tuple[str, ...]) -> None:
        names, a_kind = ", ".join([*words, *self.registry.names(kind)]), f"a{'n' * (kind[0] in 'aeiou')} {kind}"
        if key in mapping:
            quote = quoting(mapping[key], self.faults.mark((*path, key)).text)
            self.faults.add((*path, key), f"expected the name of {a_kind}, got {shown(mapping[key])}{quote}")
        elif not self.faults.is_faulty((*path, key)):
            self.faults.add(path, f"expected the name of {a_kind}, got {shown(dict(mapping))}; add {key}: {names}")

    def options(
        self,
        cls: type,
        path: Path,
        mapping: Mapping[str, Any],
        name: str,
        beside: tuple[str, ...] = (),
        given: Collection[str] = (),
    ) -> dict[str, Any] | None:
        """The options of a plugin with their types, defaults filled in; None where something is wrong with one.

        Those that are ``given`` some other way are left out.
        """
        keys = {option: key for option, key in keys_of(cls).items() if option not in given}
        for option in [option for option in mapping if option not in keys]:
            self.faults.add((*path, option), f"unknown option of {name}; {nearest(option, [*keys, *beside])}")
        options: dict[str, Any] = {}
        for option, key in keys.items():
            if option in mapping:
                options[option] = self.value(key, (*path, option), mapping[option])
            elif key.default is not None:
                options[option] = _default(key, key.default())
            elif not self.faults.is_faulty((*path, option)):
                self.faults.add((*path, option), "required, but not given")
        return None if any(self.faults.is_faulty((*path, option)) for option in {*keys, *mapping}) else options

    def value(self, key: Key, path: Path, value: Any) -> Any:
        """One value as the type of its key says; what is wrong with it is noted at its own place."""
        if self.faults.is_faulty(path):
            return None
        try:
            usable = values.is_usable(read := values.read(key.adapter, value))  # text may say a number
            if usable:
                return self._as_in_base(key, path, read)
            self.faults.add(path, f"expected a finite number of 64 bits, got {shown(value)}")
        except pydantic.ValidationError as error:
            for inner, refused, text in values.complaints(error, value):
                self.faults.add((*path, *inner), text + self._quoting((*path, *inner), refused, text))
        except pydantic.errors.PydanticUserError:
            self.faults.add(path, f"a config cannot say a {key.hint}; leave it out")
        return None

    def _quoting(self, path: Path, refused: Any, text: str) -> str:
        """What to quote of a value, or of a list the first of those that should be strings."""
        if isinstance(refused, list):
            hints = (
                self._quoting((*path, at), one, text) for at, one in enumerate(refused) if f"string at [{at}]" in text
            )
            return next(filter(None, hints), "")
        wants_string = "a string" in text or "expected '" in text
        return quoting(refused, self.faults.mark(path).text) if wants_string else ""

    def _as_in_base(self, key: Key, path: Path, value: Any) -> Any:
        """Files as the config itself would name them: an override is from the working directory, a file that is extended from
        its own folder."""
        mark = self.faults.mark(path)
        if key.located is None or self.base is None or mark in (DEFAULT, ARGUMENT):
            return value
        if mark.line:
            return key.located.moved(value, FilePath(mark.source).parent, self.base)
        is_typed = mark.source.startswith(("override ", "axis "))
        return key.located.moved(value, FilePath(), self.base) if is_typed else value

    def build(self, cls: type[T], path: Path, fields: Mapping[str, Any]) -> T | None:
        """An instance; what its ``__post_init__`` refuses is noted at the key it names first."""
        try:
            return cls(**fields)
        except ValueError as error:
            key, _, rest = str(error).partition(": ")
            is_key = key in fields
            self.faults.add((*path, key) if is_key else path, rest if is_key else str(error), error)
            return None


def _default(key: Key, default: Any) -> Any:
    """The default as its type says (2 for a float is 2.0), or as it stands where JSON cannot say it."""
    try:
        return values.read(key.adapter, pydantic_core.to_jsonable_python(default))
    except (pydantic.ValidationError, pydantic.errors.PydanticUserError, pydantic_core.PydanticSerializationError):
        return default


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options in the words of JSON; a default that JSON cannot say stays with the class."""
    plain = {}
    for option, value in options.items():
        with contextlib.suppress(pydantic_core.PydanticSerializationError):
            plain[option] = pydantic_core.to_jsonable_python(value)
    return plain


def instantiate(kind: str, use: Use, registry: Registry, base: FilePath | None = None) -> Any:
    """The plugin that a :class:`Use` means, an instance of its dataclass; files that it names are given from the folder ``base``.

    Raises:
        ConfigError: an option is unknown or has the wrong type, or a file is in the working directory and not in ``base``.
        UnknownPlugin, PluginConflict, PluginContract, PluginError: the plugin cannot be had.
    """
    cls = registry.find(kind, use.use, base).cls
    faults = Faults()
    options = Reader(registry, base, faults).options(cls, (use.use,), use.options, use.use)
    faults.close()
    assert options is not None
    return cls(**_located(cls, options, base))


def _located(cls: type, options: Mapping[str, Any], base: FilePath | None) -> dict[str, Any]:
    keys = keys_of(cls)
    if base is None:
        return dict(options)
    return {
        option: value if (located := keys[option].located) is None else located.at(value, base, option)
        for option, value in options.items()
    }
