"""The keys of the YAML: fields of dataclasses, each with what its annotation says of the key.

The classes of :mod:`xaikit.schema.sections` are the one table of keys; shorthand, reading, sweeps and plain data follow it.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union
from weakref import WeakKeyDictionary

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from xaikit.errors import PluginContract
from xaikit.plain.options import CLASS, Located
from xaikit.registry.lazy import home_of

FIXED = "maps do not depend on it"
"""Of a key: it may not vary in a sweep."""

INLINE = "its keys stand beside the others"
"""Of a field: a mapping or a plugin that has no key of its own."""

HIDDEN = "no key of the YAML"
"""Of a field of a section."""


@dataclass(frozen=True)
class PluginKey:
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
            if INLINE in key.marks:
                plain |= value.plain(name) if isinstance(value, Use) else _plain(value, key)
            elif not self._is_left_out(key, value):
                plain[name] = _plain(value, key)
        return plain

    def _is_left_out(self, key: Key, value: Any) -> bool:
        if self.brief and key.default is not None:
            return bool(value == key.default())
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

    hint      its type
    default   makes the value where nothing is stated; None where something has to be
    plugin    what is said of the plugin that it names, if it names one
    section   the section below it; of ``methods``, below each label
    partial   whether only those keys of its section count that are stated
    optional  whether null is a value of its own
    marks     what else is said of it
    located   how files that it names are found, where it names any
    words     the strings that its type names one by one
    """

    hint: Any
    default: Callable[[], Any] | None
    plugin: PluginKey | None
    section: type[Section] | None
    partial: bool
    optional: bool
    marks: frozenset[str]
    located: Located | None = None
    words: tuple[str, ...] = ()

    @property
    def names_classes(self) -> bool:
        """Whether a string may be the name of a class."""
        return CLASS in self.marks

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Reads its values: of a union, of those types that a config can say. Raises pydantic.errors.PydanticUserError for a
        type that it cannot."""
        try:
            return TypeAdapter(self.hint)
        except PydanticSchemaGenerationError:
            sayable = [part for part in _parts(self.hint) if _is_sayable(part)]
            if not sayable:
                raise
            return TypeAdapter(reduce(or_, sayable))

    def reads(self, value: Any) -> bool:
        """Whether a config can say that value."""
        try:
            self.adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    def takes(self, kind: type) -> bool:
        """Whether it is of that type, or of a union with it."""
        return kind in _parts(self.hint)


def _parts(hint: Any) -> tuple[Any, ...]:
    """The types of a union; else the one."""
    hint = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, UnionType) else (hint,)


def _all_marks(hint: Any) -> Iterator[Any]:
    """What is said of a type, and of the types that it is made of."""
    base, *marks = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
    yield from marks
    if typing.get_origin(base) is not Literal:
        yield from (mark for part in typing.get_args(base) for mark in _all_marks(part))


def _words(hint: Any) -> Iterator[str]:
    if typing.get_origin(hint) is Literal:
        yield from (part for part in typing.get_args(hint) if isinstance(part, str))
    elif not isinstance(hint, str):
        yield from (word for part in typing.get_args(hint) for word in _words(part))


def _is_sayable(hint: Any) -> bool:
    try:
        TypeAdapter(hint)
    except PydanticSchemaGenerationError:
        return False
    return True


def _key(field: dataclasses.Field[Any], hint: Any) -> Key:
    base, *marks = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
    parts = (base, *typing.get_args(base), *marks)
    sections = [part for part in parts if isinstance(part, type) and issubclass(part, Section)]
    factory = field.default_factory if field.default is dataclasses.MISSING else lambda: field.default
    return Key(
        hint,
        default=None if factory is dataclasses.MISSING else factory,
        plugin=next((mark for mark in marks if isinstance(mark, PluginKey)), None),
        section=sections[0] if sections else None,
        partial=bool(sections) and sections[0] in marks,
        optional=type(None) in parts,
        marks=frozenset(mark for mark in _all_marks(hint) if isinstance(mark, str)),
        located=next((mark for mark in _all_marks(hint) if isinstance(mark, Located)), None),
        words=tuple(_words(hint)),
    )


_fields: WeakKeyDictionary[type, dict[str, Key]] = WeakKeyDictionary()
"""Read once: annotations are made anew each time, and no two of them are equal."""


def fields_of(cls: type) -> dict[str, Key]:
    """The fields of a dataclass but hidden ones. Raises PluginContract where a type hint has no meaning."""
    try:
        if cls not in _fields:
            hints = typing.get_type_hints(cls, include_extras=True)
            keys = {item.name: _key(item, hints[item.name]) for item in dataclasses.fields(cls) if item.init}
            _fields[cls] = {name: key for name, key in keys.items() if HIDDEN not in key.marks}
        return _fields[cls]
    except NameError as error:
        raise PluginContract(f"{home_of(cls)}.{cls.__qualname__}: a type hint cannot be read: {error}") from error


def keys_of(cls: type) -> dict[str, Key]:
    """The fields of a dataclass that are keys. Raises PluginContract where a type hint has no meaning."""
    return {name: key for name, key in fields_of(cls).items() if INLINE not in key.marks}
