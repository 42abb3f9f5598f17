"""TensorBoard: config, numbers and contact sheets of a run, in a file of events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from xaikit import RunDone, RunFailed, RunStarted, ShardDone, hookimpl
from xaikit_observers._facts import check_installed, valid_keys


@dataclass(frozen=True)
class TensorBoard:
    """The config as text, numbers as scalars, contact sheets as images (extra ``tensorboard``).

    to  the folder of the file; ``tensorboard`` in that of the run by default, so that ``tensorboard --logdir runs`` shows all
    """

    to: str | None = None

    def __post_init__(self) -> None:
        check_installed("tensorboard")

    def listen(self) -> object:
        """What is told of one run."""
        return _Run(self)


class _Run:
    def __init__(self, options: TensorBoard) -> None:
        self._to = options.to

    @hookimpl
    def run_started(self, run: RunStarted) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(self._to or f"{run.folder}/tensorboard")
        self._writer.add_text("config", f"```yaml\n{yaml.safe_dump(dict(run.config), sort_keys=False)}```")

    @hookimpl
    def shard_done(self, shard: ShardDone) -> None:
        self._writer.add_scalar("photographs", shard.done, shard.done)

    @hookimpl
    def run_done(self, run: RunDone) -> None:
        for key, value in valid_keys(run.numbers).items():
            self._writer.add_scalar(key, value)
        for file in run.files:
            if file.endswith((".jpg", ".webp")):
                self._writer.add_image(Path(file).stem, np.asarray(Image.open(file).convert("RGB")), dataformats="HWC")
        self._writer.close()

    @hookimpl
    def failed(self, failure: RunFailed) -> None:
        self._writer.add_text("error", failure.error)
        self._writer.close()


@hookimpl
def xaikit_observer() -> type:
    return TensorBoard
