"""What trackers share: a config as parameters, keys that all of them take, and whether what an observer needs is installed."""

from __future__ import annotations

import importlib.util
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
    """A key without the letters that trackers refuse.

    >>> valid("insertion/gradcam layers=[blocks.4]")
    'insertion/gradcam layers__blocks.4_'
    """
    return re.sub(r"[^\w/.\- :]", "_", key)
