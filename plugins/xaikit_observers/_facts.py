"""What trackers share: a config as parameters, keys that all of them take, and whether what an observer needs is installed."""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Mapping
from typing import Any


def check_installed(package: str) -> None:
    """Raises ValueError, which says what to install: the extra has the name of the package."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"{package} is not installed: pip install 'xaikit[{package}]'")


def parameters(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A config with full keys, as overrides have them.

    >>> parameters({"seed": 0, "model": {"source": "timm", "name": "vit"}, "layers": ["auto"]})
    {'seed': 0, 'model.source': 'timm', 'model.name': 'vit', 'layers': ['auto']}
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        has_keys = isinstance(value, Mapping) and value
        flat |= parameters(value, f"{above}{key}.") if has_keys else {f"{above}{key}": value}
    return flat


def valid(key: str) -> str:
    """A key without what trackers refuse: letters that they do not know, and what is no path below where they keep it.

    >>> valid("insertion/gradcam layers=[blocks.4]"), valid("sparseness//x/../y")
    ('insertion/gradcam layers__blocks.4_', 'sparseness/x/_/y')
    """
    parts = re.sub(r"[^\w/.\- :]", "_", key).split("/")
    return "/".join("_" if set(part) <= {"."} else part for part in parts if part) or "_"


def valid_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by keys that trackers take; of those that would be the same the later ones are numbered.

    >>> valid_keys({"g[a]": 1, "g(a)": 2, "g": 3})
    {'g_a_': 1, 'g_a_ 2': 2, 'g': 3}
    """
    taken: dict[str, Any] = {}
    for key, value in values.items():
        names = (f"{valid(key)} {count}" if count > 1 else valid(key) for count in itertools.count(1))
        taken[next(name for name in names if name not in taken)] = value
    return taken
