"""Other values of an option, as far as its type tells any that its class accepts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, get_args, get_origin, get_type_hints


def is_fixed(instance: Any, name: str) -> bool:
    """Whether the class accepts no other value of an option than the one it has, of all that its type tells."""
    hint = get_type_hints(type(instance)).get(name)
    return bool(_others(hint, getattr(instance, name))) and not any(True for _ in changed(instance, name))


def changed(instance: Any, name: str) -> Iterator[Any]:
    """The same with other values of one option, as far as its type tells any that the class accepts."""
    hint = get_type_hints(type(instance)).get(name)
    value = getattr(instance, name)
    for other in _others(hint, value):
        with suppress(ValueError, TypeError):
            yield dataclasses.replace(instance, **{name: other})


def _others(hint: Any, value: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return [choice for choice in get_args(hint) if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, 2 * value + 1, max(1, value // 2)]
    if isinstance(value, float):
        return [2 * value + 0.5, value / 2]
    if value is None:
        return [1, 0.5]
    return []
