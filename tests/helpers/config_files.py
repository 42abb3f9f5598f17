from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.errors import ConfigError
from xaikit.schema.sections import Config

NEEDED = {"model": {"source": "zoo", "name": "resnet"}, "data": {"source": "folder", "path": "x"}, "methods": "grad"}
HEAD = "model: {source: zoo, name: resnet}\ndata: {source: folder, path: x}\n"

Write = Callable[..., Path]
Say = Callable[..., Config]
Faults = Callable[..., tuple[str, ...]]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "c.yaml") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def say() -> Say:
    """A config of what every config needs and of more values, with overrides."""

    def say(*overrides: str, **values: Any) -> Config:
        return load({**NEEDED, **values}, overrides, fake_registry())

    return say


@pytest.fixture
def faults() -> Faults:
    """The lines of the ConfigError that a file, or some values, end in."""

    def faults(source: Path | None = None, overrides: Sequence[str] = (), **values: Any) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            load(source or {**NEEDED, **values}, overrides, fake_registry())
        return caught.value.problems

    return faults


@pytest.fixture
def head() -> str:
    """The first two lines of a file: a model and pictures."""
    return HEAD
