"""A Python file as a module of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType


def from_file(path: Path, purpose: str) -> ModuleType:
    """The module of a file, imported once for the same place and content.

    Args:
        path: resolved.
        purpose: a word that names the module, beside the file's name and digest.

    Raises:
        ImportError: it is not a Python file.
        BaseException: whatever its code raises; it counts as not imported then.
    """
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:12]
    name = f"xaikit_{purpose}_{re.sub(r'[^0-9a-zA-Z]', '_', path.stem)}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses and pickle look it up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
