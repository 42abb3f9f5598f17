"""An observer of somebody else that writes down what it is told, and raises where it is told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LISTENER = '''
import json
from dataclasses import asdict, dataclass

from xaikit import hookimpl


@dataclass(frozen=True)
class Listener:
    """Writes what it is told, one line a hook."""

    to: str = "told.jsonl"
    raises: str = ""

    def listen(self):
        return Told(self)


class Told:
    def __init__(self, options):
        self.options = options
        self._write("listen", {})

    @hookimpl
    def run_started(self, run):
        run.config["seed"] = "changed by a listener"
        self._write("run_started", asdict(run))

    @hookimpl
    def shard_done(self, shard):
        self._write("shard_done", asdict(shard))

    @hookimpl
    def run_done(self, run):
        self._write("run_done", asdict(run))

    @hookimpl
    def failed(self, failure):
        self._write("failed", asdict(failure))

    def _write(self, hook, told):
        with open(self.options.to, "a") as file:
            file.write(json.dumps([hook, told]) + "\\n")
        if hook in self.options.raises.split():
            raise ValueError(f"{hook} is out of order")


@hookimpl
def xaikit_observer():
    return Listener
'''


def listener_in(folder: Path) -> str:
    """The listener as a config names it."""
    (folder / "mine.py").write_text(LISTENER)
    return f"{folder}/mine.py:Listener"


def told(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """What was written down: hook and value."""
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def hooks(file: Path) -> list[str]:
    """The hooks that were called, in order."""
    return [hook for hook, _ in told(file)]
