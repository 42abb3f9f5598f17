"""The contract of observers: they listen, and take whatever a run has to tell. Each check is in an empty working directory."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from xaikit.hookspecs import RunDone, RunFailed, RunStarted, ShardDone
from xaikit.runner.observing import hooks_of, manager, register
from xaikit.testing.checks import COMMON, Work, for_each, instances

CONFIG = {"name": "run", "methods": {"a: <b>": {"use": "./mycam.py"}}, "layers": ["auto"], "observers": {}}


def is_told_of_a_run(observer: Any) -> None:
    """Hooks that there are take what a run tells: whatever the names of labels, and where a mean is NaN."""
    with _listening(observer) as (hooks, folder):
        hooks.run_started(run=RunStarted("run", folder, CONFIG, ("a: <b>",), 2))
        hooks.shard_done(shard=ShardDone(1, (("two.png", "it cannot be read"),), {"forwards": 1}, {"read": 0.1}))
        Image.new("RGB", (8, 8)).save(sheet := Path(folder, "contact-sheet.jpg"))
        numbers = {"explained": 1.0, "failed": 1.0, "srg/a: <b>": math.nan, "srg/ü layers=[x]": 0.5}
        hooks.run_done(run=RunDone("run", folder, "interrupted", numbers, (str(sheet),)))


def is_told_of_a_failure(observer: Any) -> None:
    """Of a run that an error ended."""
    with _listening(observer) as (hooks, folder):
        hooks.run_started(run=RunStarted("run", folder, CONFIG, ("a: <b>",), 2))
        hooks.failed(failure=RunFailed("run", folder, "ValueError: no"))


@contextmanager
def _listening(observer: Any) -> Iterator[tuple[Any, str]]:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        listener, listening = observer.listen(), manager()
        hooks_of(listener, type(observer).__name__)
        register(listening, "checked", listener)
        yield listening.hook, folder


CHECKS: tuple[Work, ...] = (*COMMON, *for_each(instances, is_told_of_a_run, is_told_of_a_failure))
