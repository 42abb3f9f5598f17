"""What differs between two plain configs, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_NOTHING = object()


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """One line for each dotted key whose values differ once written as JSON (a tuple is a list there).

    >>> differences({"model": {"name": "vgg16"}, "seed": 0}, {"model": {"name": "resnet50"}, "seed": 0, "top": (1, 2)})
    ["model.name: 'vgg16' there, 'resnet50' here", 'top: nothing there, [1, 2] here']
    """
    return list(_walk(json.loads(json.dumps(there)), json.loads(json.dumps(here)), ""))


def _walk(there: Any, here: Any, key: str) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for part in dict.fromkeys([*there, *here]):
            yield from _walk(there.get(part, _NOTHING), here.get(part, _NOTHING), f"{key}.{part}".lstrip("."))
    elif there != here:
        yield f"{key}: {_said(there)} there, {_said(here)} here"


def _said(value: Any) -> str:
    return "nothing" if value is _NOTHING else repr(value)
