"""docs/write-an-observer.md, done as somebody would who reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import xaikit
from helpers.pages import DOCS, Reader, blocks
from xaikit.hookspecs import ObserverHooks
from xaikit.runner.observing import HOOKS

PAGE = (DOCS / "write-an-observer.md").read_text(encoding="utf-8")


def test_every_block_of_write_an_observer_does_what_it_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for block in blocks("write-an-observer.md"):
        reader.do(block)
    assert {block.language for block in blocks("write-an-observer.md")} == {"python", "sh", "text", "yaml"}
    assert list((reader.folder / "runs" / "tracked" / "tensorboard").iterdir())


def test_the_config_of_the_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config,) = [block.text for block in blocks("write-an-observer.md") if block.language == "yaml"]
    observers = xaikit.load(yaml.safe_load(config)).observers
    assert {label: each.use for label, each in observers.items()} == {
        "tensorboard": "tensorboard",
        "wandb": "wandb",
        "team": "mlflow",
    }


def test_the_page_has_every_hook_and_every_tracker() -> None:
    assert all(f"| `{name}(" in PAGE for name in HOOKS)
    assert set(HOOKS) <= set(vars(ObserverHooks))
    offered = [entry.name for entry in xaikit.Registry().catalogue("observer") if entry.distribution == "xaikit"]
    assert all(f"| `{name}` | `xaikit[{name}]`" in PAGE for name in offered)
