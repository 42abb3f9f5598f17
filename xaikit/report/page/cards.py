"""What the plugins of a run say of themselves, for whoever reads its page."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from xaikit.errors import XaikitError
from xaikit.registry import Registry


def cards(kind: str, uses: Iterable[str], registry: Registry) -> dict[str, Mapping[str, str]]:
    """By name, what a method or metric says: its title (which cites the paper), and all of its docstring.

    A plugin that cannot be had any more says why; the page of an old run opens all the same.
    """
    return {use: _card(kind, use, registry) for use in dict.fromkeys(uses)}


def _card(kind: str, use: str, registry: Registry) -> Mapping[str, str]:
    try:
        cls: Any = registry.find(kind, use).cls
    except XaikitError as error:
        return {"title": use, "text": str(error)}
    title = (sys.modules[cls.__module__].__doc__ or use).splitlines()[0]
    text = inspect.cleandoc(cls.__doc__ or "")
    stated = {name: getattr(cls, name, None) for name in ("equation", "citation")}
    return {"title": title, "text": text} | {name: value for name, value in stated.items() if isinstance(value, str)}
