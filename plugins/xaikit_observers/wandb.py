"""Weights & Biases: config, numbers and pictures of a run, kept on this machine unless it is told otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xaikit import RunDone, RunFailed, RunStarted, ShardDone, hookimpl
from xaikit_observers._facts import check_installed


@dataclass(frozen=True)
class WandB:
    """The config, numbers in the summary; contact sheets, page and manifest as files (extra ``wandb``).

    project  that the run belongs to
    mode     offline: ``wandb sync`` sends it later, if ever; online: sent as it goes
    to       the folder in which ``wandb`` is; that of the run by default
    """

    project: str = "xaikit"
    mode: Literal["offline", "online"] = "offline"
    to: str | None = None

    def __post_init__(self) -> None:
        check_installed("wandb")

    def listen(self) -> object:
        """What is told of one run."""
        return _Run(self)


class _Run:
    def __init__(self, options: WandB) -> None:
        self._options = options

    @hookimpl
    def run_started(self, run: RunStarted) -> None:
        import wandb

        about: Any = {"project": self._options.project, "name": run.name, "config": dict(run.config)}
        settings = wandb.Settings(silent=True, console="off", disable_code=True, disable_git=True)
        folder = self._options.to or run.folder
        self._run: Any = wandb.init(
            **about, dir=folder, mode=self._options.mode, settings=settings, reinit="create_new"
        )

    @hookimpl
    def shard_done(self, shard: ShardDone) -> None:
        self._run.log({"photographs": shard.done})

    @hookimpl
    def run_done(self, run: RunDone) -> None:
        self._run.summary.update(dict(run.numbers))
        for file in run.files:
            self._run.save(file, base_path=Path(file).parent, policy="now")
        self._run.finish()

    @hookimpl
    def failed(self, failure: RunFailed) -> None:
        self._run.summary["error"] = failure.error
        self._run.finish(exit_code=1)


@hookimpl
def xaikit_observer() -> type:
    return WandB
