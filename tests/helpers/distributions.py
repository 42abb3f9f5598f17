"""Third-party distributions made on the spot, as an installer would leave them on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

METHOD = '''"""Mine-CAM: the mean of all channels (Nobody, 2026)."""

from dataclasses import dataclass
from xaikit import Needs, hookimpl


@dataclass(frozen=True)
class MyCam:
    k: int = 3
    needs = Needs()

    def explain(self, view):
        return view.activations.mean(view.channel)


@hookimpl
def xaikit_method():
    return MyCam
'''
Install = Callable[..., Path]


@contextmanager
def installing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that puts a distribution on the path; its modules are forgotten afterwards."""
    before = set(sys.modules)

    def install(name: str, entries: str, text: str = METHOD, version: str = "1.0", module: str = "") -> Path:
        root = folder / name
        info = root / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (root / f"{module or name.replace('-', '_')}.py").write_text(text)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entries)
        monkeypatch.syspath_prepend(root)
        return root

    yield install
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def methods(**entries: str) -> str:
    """The text of entry_points.txt."""
    return "[xaikit.methods]\n" + "".join(f"{name} = {module}\n" for name, module in entries.items())
