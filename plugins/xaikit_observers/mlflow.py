"""MLflow: config, numbers and pictures of a run, in a database or on a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xaikit import RunDone, RunFailed, RunStarted, ShardDone, hookimpl
from xaikit_observers._facts import check_installed, parameters, valid_keys


@dataclass(frozen=True)
class MLflow:
    """The config as parameters, numbers as metrics; contact sheets, page and manifest as artifacts (extra ``mlflow``).

    uri         of the database or server, such as ``sqlite:///mlflow.db``; what ``MLFLOW_TRACKING_URI`` says where none is given
    experiment  that the run belongs to; made where there is none
    """

    uri: str | None = None
    experiment: str = "xaikit"

    def __post_init__(self) -> None:
        check_installed("mlflow")

    def listen(self) -> object:
        """What is told of one run."""
        return _Run(self)


class _Run:
    def __init__(self, options: MLflow) -> None:
        from mlflow import MlflowClient

        self._client: Any = MlflowClient(options.uri)
        known = self._client.get_experiment_by_name(options.experiment)
        self._experiment = known.experiment_id if known else self._client.create_experiment(options.experiment)

    @hookimpl
    def run_started(self, run: RunStarted) -> None:
        self._id = self._client.create_run(self._experiment, run_name=run.name).info.run_id
        for key, value in valid_keys(parameters(run.config)).items():
            self._client.log_param(self._id, key, value)

    @hookimpl
    def shard_done(self, shard: ShardDone) -> None:
        self._client.log_metric(self._id, "photographs", shard.done, step=shard.done)

    @hookimpl
    def run_done(self, run: RunDone) -> None:
        try:
            for file in run.files:
                self._client.log_artifact(self._id, file)
            for key, value in valid_keys(run.numbers).items():
                self._client.log_metric(self._id, key, value)
        finally:
            self._client.set_terminated(self._id, "KILLED" if run.stopped else "FINISHED")

    @hookimpl
    def failed(self, failure: RunFailed) -> None:
        try:
            self._client.set_tag(self._id, "error", failure.error)
        finally:
            self._client.set_terminated(self._id, "FAILED")


@hookimpl
def xaikit_observer() -> type:
    return MLflow
