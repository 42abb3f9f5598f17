"""What a person calls a file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable


def file_name(name: str) -> str:
    """The last part of a path."""
    return _parts(name)[-1]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Of each path its last part, or so many of them as tell it from the others.

    >>> short_names(["photos/cat/1.jpg", "photos/dog/1.jpg", "photos/dog/2.jpg"]).values()
    dict_values(['cat/1.jpg', 'dog/1.jpg', '2.jpg'])
    """
    short = {name: file_name(name) for name in names}
    for parts in range(2, 1 + max((len(_parts(name)) for name in short), default=0)):
        counts = Counter(short.values())
        short |= {name: "/".join(_parts(name)[-parts:]) for name, text in short.items() if counts[text] > 1}
    return short


def _parts(name: str) -> list[str]:
    """Of a path as this system writes it: where "/" alone divides, names may have backslashes."""
    return name.replace(os.sep, "/").split("/")
