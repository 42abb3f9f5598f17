"""What is checked: a plugin by its name or file, and instances of it with different options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from xaikit.errors import UnknownPlugin
from xaikit.method import further_of
from xaikit.registry import Plugin, Registry, check_class
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate

COSTLY = 40
"""Further passes from which on a method is checked with its examples alone."""
SMALL = (4, 30)
"""Channels and places of the kit's nets, about."""


@dataclass(frozen=True)
class Subject:
    """A plugin under check.

    spec  how its author named it: an entry point, ``file.py``, ``file.py:Class``, ``package.module:Class``; or the
          class itself
    more  options to check it with, beside those of the class's own ``examples``
    """

    kind: str
    spec: str | type
    registry: Registry
    more: tuple[Mapping[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """As it is shown."""
        return self.spec if isinstance(self.spec, str) else self.spec.__name__

    @property
    def is_offered(self) -> bool:
        """Whether it is an entry point, and no file, path or class."""
        return isinstance(self.spec, str) and ".py" not in self.spec and ":" not in self.spec

    @property
    def plugin(self) -> Plugin:
        """Loaded anew each time, so that a file that does not import is a failing check and no failing collection."""
        if isinstance(self.spec, type):
            check_class(self.kind, self.spec, f"{self.kind} {self.name!r}")
            return Plugin(self.kind, self.name, self.spec, "", "", self.spec.__module__)
        return self.registry.find(self.kind, self.spec, Path.cwd())

    @property
    def cls(self) -> type:
        """The class behind it."""
        return self.plugin.cls

    def instances(self) -> list[Any]:
        """With default options, and with those of each of its ``examples``; only the latter where some options have no default,
        or the default ones take a method hundreds of passes.

        Raises:
            UnknownPlugin: an option has no default and there is no example.
        """
        examples: list[Mapping[str, Any]] = [*getattr(self.cls, "examples", ()), *self.more]
        required = [name for name, option in signature(self.cls).parameters.items() if option.default is option.empty]
        if required and not examples:
            raise UnknownPlugin(
                f"{self.name}: option {required[0]} has no default; give the kit options to use: "
                f"examples: ClassVar = ({{{required[0]!r}: ...}},)"
            )
        made = [self.made(options) for options in examples]
        if required:
            return made
        first = self.made({})
        return made if made and self._is_costly(first) else [first, *made]

    def _is_costly(self, instance: Any) -> bool:
        return self.kind == "method" and further_of(instance, *SMALL) > COSTLY

    def made(self, options: Mapping[str, Any]) -> Any:
        """An instance, as a config makes it."""
        if isinstance(self.spec, type):
            return self.spec(**options)
        return instantiate(self.kind, Use(self.spec, dict(options)), self.registry, Path.cwd())
