"""The keys of the YAML: fields of dataclasses, each with what its annotation says of the key.

The classes of :mod:`xaikit.config.schema` are the one table of keys; shorthand, reading, sweeps and plain data follow it.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar
from weakref import WeakKeyDictionary

from pydantic import TypeAdapter

from xaikit.errors import PluginContract

FIXED = "maps do not depend on it"
"""Of a key: it may not vary in a sweep."""

INLINE = "its keys stand beside the others"
"""Of a field: a mapping or a plugin that has no key of its own."""

HIDDEN = "no key of the YAML"
"""Of a field of a section."""


@dataclass(frozen=True)
class Plugin:
    """Of a key: the plugin of a kind.

    words  what may stand in place of its name
    long   whether it is a mapping in plain data even where it has no options
    """

    kind: str
    words: tuple[str, ...] = ()
    long: bool = False


@dataclass(frozen=True)
class Use:
    """A plugin by name, ``distribution:name``, ``package.module:Class`` or ``./file.py:Class``, and its options."""

    use: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def plain(self, key: str = "use") -> dict[str, Any]:
        """As YAML would say it, the plugin's name under ``key``."""
        return {key: self.use, **self.options}


class Section:
    """A mapping of the YAML, its keys the fields of a frozen dataclass.

    brief  whether plain data leave out what is as it is by default, and not only layouts and transforms that nobody stated
    """

    brief: ClassVar[bool] = False

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        plain: dict[str, Any] = {}
        for name, key in fields_of(type(self)).items():
            value = getattr(self, name)
            if key.inline:
                plain |= value.plain(name) if isinstance(value, Use) else _plain(value, key)
            elif not self._is_left_out(key, value):
                plain[name] = _plain(value, key)
        return plain

    def _is_left_out(self, key: Key, value: Any) -> bool:
        if self.brief and not key.required:
            return bool(value == key.default)
        return value is None and bool(key.plugin or key.section)


def _plain(value: Any, key: Key) -> Any:
    if isinstance(value, Section):
        return value.plain()
    if isinstance(value, Use):
        return value.plain() if value.options or (key.plugin and key.plugin.long) else value.use
    if isinstance(value, Mapping):
        return {name: _plain(child, key) for name, child in value.items()}
    return [_plain(child, key) for child in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Key:
    """A field of a dataclass as the YAML knows it.

    hint   its type
    marks  what its annotation says beside it
    """

    hint: Any
    marks: tuple[Any, ...]
    field: dataclasses.Field[Any]

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.field.default is dataclasses.MISSING and self.field.default_factory is dataclasses.MISSING

    @property
    def default(self) -> Any:
        """The value where nothing is stated."""
        factory = self.field.default_factory
        return self.field.default if factory is dataclasses.MISSING else factory()

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Reads its values. Raises pydantic.errors.PydanticUserError for a type that a config cannot say."""
        return TypeAdapter(self.hint)

    @cached_property
    def inline(self) -> bool:
        """Whether its keys stand beside the others, so that it is none itself."""
        return INLINE in self.marks

    @cached_property
    def plugin(self) -> Plugin | None:
        """What is said of the plugin that it names, if it names one."""
        return next((mark for mark in self.marks if isinstance(mark, Plugin)), None)

    @cached_property
    def section(self) -> type[Section] | None:
        """The section below it; of ``methods``, below each label."""
        classes = [part for part in (*self._types, *self.marks) if isinstance(part, type)]
        return next((part for part in classes if issubclass(part, Section)), None)

    @property
    def optional(self) -> bool:
        """Whether null is a value of its own."""
        return type(None) in self._types

    @cached_property
    def _types(self) -> tuple[Any, ...]:
        """The type, and what it is a union or a mapping of."""
        plain = typing.get_args(self.hint)[0] if self.marks else self.hint
        return (plain, *typing.get_args(plain))


_fields: WeakKeyDictionary[type, dict[str, Key]] = WeakKeyDictionary()
"""Read once: annotations are made anew each time, and no two of them are equal."""


def fields_of(cls: type) -> dict[str, Key]:
    """The fields of a dataclass but hidden ones. Raises PluginContract where a type hint has no meaning."""
    try:
        if cls not in _fields:
            hints = typing.get_type_hints(cls, include_extras=True)
            items = [item for item in dataclasses.fields(cls) if item.init]
            keys = {item.name: Key(hints[item.name], _marks(hints[item.name]), item) for item in items}
            _fields[cls] = {name: key for name, key in keys.items() if HIDDEN not in key.marks}
        return _fields[cls]
    except NameError as error:
        raise PluginContract(f"{cls.__module__}.{cls.__qualname__}: a type hint cannot be read: {error}") from error


def _marks(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()


def keys_of(cls: type) -> dict[str, Key]:
    """The fields of a dataclass that are keys. Raises PluginContract where a type hint has no meaning."""
    return {name: key for name, key in fields_of(cls).items() if not key.inline}
