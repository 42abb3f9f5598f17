"""The trackers on the shelf, each on a local store that is read again."""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.runs import config
from xaikit.runner.observing import Observers, numbers_of
from xaikit.testing import observer_checks

SHELF = Path(__file__).parents[2] / "plugins" / "xaikit_observers"
TRACKERS = sorted(path.stem for path in SHELF.glob("*.py") if not path.stem.startswith("_"))


def run(folder: Path, **observers: Any) -> tuple[xaikit.Report, dict[str, float]]:
    """A small run, and what its observers are told of it."""
    report = xaikit.run(config(folder, observers=observers, metrics=["sparseness"]))
    return report, numbers_of(report)


def test_mlflow_has_parameters_metrics_and_artifacts_in_a_database(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    client.create_experiment("cams", artifact_location=f"file://{tmp_path}/artifacts")
    _, numbers = run(tmp_path, mlflow={"uri": uri, "experiment": "cams"})
    experiment = client.get_experiment_by_name("cams")
    (tracked,) = client.search_runs([experiment.experiment_id])
    assert (tracked.info.run_name, tracked.info.status) == ("small", "FINISHED")
    assert tracked.data.params["data.batch_size"] == "2"
    assert tracked.data.params["observers.mlflow.experiment"] == "cams"
    assert {key: pytest.approx(value) for key, value in numbers.items()}.items() <= tracked.data.metrics.items()
    assert client.get_metric_history(tracked.info.run_id, "photographs")[-1].value == 3
    artifacts = {artifact.path for artifact in client.list_artifacts(tracked.info.run_id)}
    assert {"contact-sheet.jpg", "manifest.json"} <= artifacts
    assert "sparseness/gradcam" in numbers


def test_mlflow_says_that_a_run_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)  # MLflow keeps the artifacts of a new experiment in the working directory
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    values = config(tmp_path, observers={"mlflow": {"uri": uri}})
    xaikit.run(values)
    (tmp_path / "run" / "shards").rename(tmp_path / "gone")
    (tmp_path / "run" / "shards").write_text("no folder")
    with pytest.raises(xaikit.StoreError):
        xaikit.run(values)
    client = MlflowClient(uri)
    statuses = [each.info.status for each in client.search_runs(["1"])]
    assert sorted(statuses) == ["FAILED", "FINISHED"]
    assert any("StoreError" in each.data.tags.get("error", "") for each in client.search_runs(["1"]))


def test_tensorboard_has_scalars_text_and_the_contact_sheet(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    report, numbers = run(tmp_path, tensorboard={})
    events = EventAccumulator(str(Path(report.folder) / "tensorboard"))
    events.Reload()
    scalars = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
    assert {key: pytest.approx(value, rel=1e-6) for key, value in numbers.items()}.items() <= scalars.items()
    assert [each.step for each in events.Scalars("photographs")] == [3, 3]
    assert events.Tags()["images"] == ["contact-sheet"]
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "batch_size: 2" in text


def test_wandb_keeps_a_run_on_this_machine(tmp_path: Path) -> None:
    import wandb

    report, numbers = run(tmp_path, wandb={"project": "cams"})
    wandb.teardown()  # the end of a run does not wait for its file to be written; the end of the process does
    (folder,) = (Path(report.folder) / "wandb").glob("offline-run-*")
    assert {path.name for path in (folder / "files").iterdir()} >= {"contact-sheet.jpg", "manifest.json"}
    kept = recorded(next(folder.glob("*.wandb")))
    assert kept["sparseness/gradcam"] == pytest.approx(numbers["sparseness/gradcam"])
    assert kept["project"] == "cams"


def recorded(file: Path) -> dict[str, Any]:
    """The summary and the project of a file of wandb."""
    from wandb.proto.wandb_internal_pb2 import Record

    kept: dict[str, Any] = {}
    for data in log_records(file.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "run":
            kept["project"] = record.run.project
        kept |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.summary.update}
    return kept


def log_records(log: bytes) -> Iterator[bytes]:
    """The records of a log of LevelDB behind a header of 7 bytes: parts of blocks of 32 KiB, each (checksum, length, kind)."""
    whole, at = b"", 7
    while at + 7 <= len(log):
        if (left := -at % 32768) < 7 and left:
            at += left
            continue
        length, kind = struct.unpack("<HB", log[at + 4 : at + 7])
        whole += log[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or its last part
            yield whole
            whole = b""


@pytest.mark.parametrize("tracker", TRACKERS)
def test_what_is_not_installed_is_an_error_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(xaikit.ConfigError, match=rf"observers.{tracker}: {tracker} is not .*'xaikit\[{tracker}\]'"):
        xaikit.load(config(tmp_path, observers=[tracker]))


@pytest.mark.parametrize("check", [check for tracker in TRACKERS for check in observer_checks(tracker)])
def test_contract(check: Any) -> None:
    check()


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_is_forty_lines(tracker: str) -> None:
    text = (SHELF / f"{tracker}.py").read_text()
    statements = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
    docstrings = {node for node in statements if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    imports = {node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)}
    left_out = {line for node in docstrings | imports for line in range(node.lineno, int(node.end_lineno or 0) + 1)}
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in left_out]
    assert len(lines) <= 40


def test_no_observers_are_nobody(tmp_path: Path) -> None:
    observers = Observers(xaikit.load(config(tmp_path)), xaikit.Registry(), pytest.fail)
    with observers.told_of_failure():
        pass


def test_mlflow_ends_a_run_whatever_its_methods_are_called(tmp_path: Path) -> None:
    """Keys that its server refuses, or that are the same without the letters it refuses."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    client.create_experiment("cams", artifact_location=f"file://{tmp_path}/artifacts")
    methods = {label: {"use": "gradcam"} for label in ("/lead", "a/../b", "g[a]", "g(a)")}
    observers = {"mlflow": {"uri": uri, "experiment": "cams"}}
    xaikit.run(config(tmp_path, methods=methods, observers=observers, metrics=["sparseness"], controls=False))
    (tracked,) = client.search_runs([client.get_experiment_by_name("cams").experiment_id])
    assert tracked.info.status == "FINISHED"
    keys = {"sparseness/lead", "sparseness/a/_/b", "sparseness/g_a_", "sparseness/g_a_ 2"}
    assert keys <= set(tracked.data.metrics)
    assert "manifest.json" in {artifact.path for artifact in client.list_artifacts(tracked.info.run_id)}
