"""How much YAML a config may be: counted on the events of the parser, before anything is built of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

MOST_BYTES = 1 << 20
MOST_LETTERS = 1 << 16
MOST_NODES = 50_000
MOST_ITEMS = 20_000
MOST_ALIASED = 1_000
DEEPEST = 40
"""Of a file; of one string; of all values in a file; of a list; of values that aliases repeat; of one inside the other."""

MOST_INTERPOLATED, LONGEST_INTERPOLATED = 500, 2_000
"""Strings with an interpolation, and letters of one: OmegaConf takes its time with each."""


class TooLarge(yaml.MarkedYAMLError):
    """More than any config needs, and than can be read in a moment."""


def check_bounds(text: str) -> None:
    """Raises TooLarge where a text becomes too large, by itself or by its aliases; what else is wrong is for its reader."""
    if len(text) > MOST_BYTES:
        raise TooLarge(problem=f"expected at most {MOST_BYTES} characters, got {len(text)}")
    # libyaml is fifty times faster; what it does not read, PyYAML may
    try:
        _count(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except TooLarge:
        raise
    except yaml.YAMLError:
        with suppress(yaml.reader.ReaderError, yaml.scanner.ScannerError, yaml.parser.ParserError):
            _count(text, yaml.SafeLoader)


@dataclass
class _Open:
    """A list or mapping that is not closed yet: its nodes so far with all that is in it, and the nodes in it itself."""

    anchor: str | None
    is_list: bool
    nodes: int = 1
    items: int = 0


@dataclass
class _Counter:
    open: list[_Open] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    nodes: int = 0
    aliased: int = 0
    interpolated: int = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.CollectionStartEvent):
            self.open.append(_Open(event.anchor, isinstance(event, yaml.SequenceStartEvent)))
            self._check(len(self.open), DEEPEST, "values one inside the other", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self.open.pop()
            self._add(closed.nodes, closed.anchor, event)
        elif isinstance(event, yaml.AliasEvent):
            size = self.sizes.get(str(event.anchor), 1)
            self.aliased += size
            self._check(self.aliased, MOST_ALIASED, "values repeated by aliases", event)
            self._add(size, None, event)
        elif isinstance(event, yaml.ScalarEvent):
            self._check(len(event.value), MOST_LETTERS, "characters in one string", event)
            if "${" in event.value:
                self.interpolated += 1
                self._check(self.interpolated, MOST_INTERPOLATED, "strings with an interpolation", event)
                self._check(
                    len(event.value), LONGEST_INTERPOLATED, "characters in a string with an interpolation", event
                )
            self._add(1, event.anchor, event)

    def _add(self, size: int, anchor: str | None, event: yaml.Event) -> None:
        """A node is complete, with so many in it."""
        self.nodes += 1
        self._check(self.nodes, MOST_NODES, "values", event)
        if anchor is not None:
            self.sizes[anchor] = size
        if self.open:
            above = self.open[-1]
            above.nodes, above.items = above.nodes + size, above.items + 1
            if above.is_list:
                self._check(above.items, MOST_ITEMS, "items in a list", event)

    def _check(self, count: int, most: int, what: str, event: yaml.Event) -> None:
        if count > most:
            mark: Any = event.start_mark  # libyaml's marks are as PyYAML's
            raise TooLarge(problem=f"expected at most {most} {what}, got more", problem_mark=mark)


def _count(text: str, loader: type) -> None:
    counter = _Counter()
    for event in yaml.parse(text, loader):
        counter.take(event)
