"""Observers of a run: what they are told, when, and that none of them disturbs anything."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.distributions import Install, installing
from helpers.observers import LISTENER, hooks, listener_in, told
from helpers.resumed_runs import PHOTOGRAPHS, config_in, hashes
from helpers.runs import config
from xaikit.hookspecs import ObserverHooks
from xaikit.runner import steps
from xaikit.runner.watch import Unwatched


def observed(folder: Path, **options: Any) -> dict[str, Any]:
    """An entry of ``observers``, which writes to told.jsonl in the folder."""
    return {"use": listener_in(folder), "to": str(folder / "told.jsonl"), **options}


def test_a_run_tells_its_start_its_shards_and_its_end(tmp_path: Path) -> None:
    values = config_in(tmp_path, observers={"mine": observed(tmp_path)}, metrics=["sparseness"], controls=False)
    report = xaikit.run(values)
    events = told(tmp_path / "told.jsonl")
    shards = [value for hook, value in events if hook == "shard_done"]
    assert [hook for hook, _ in events] == ["listen", "run_started", *["shard_done"] * len(shards), "run_done"]
    started, done = events[1][1], events[-1][1]
    assert (started["name"], started["folder"]) == ("small", str(tmp_path / "run"))
    assert started["trials"] == ["gradcam", "layercam"]
    assert started["photographs"] == shards[-1]["done"] == len(PHOTOGRAPHS)  # each once, explained and judged
    assert started["config"]["methods"] == {"gradcam": {"use": "gradcam"}, "layercam": {"use": "layercam"}}
    assert (done["stopped"], done["numbers"]["explained"], done["numbers"]["failed"]) == ("", len(PHOTOGRAPHS), 0)
    assert done["numbers"]["seconds"] > 0
    assert str(tmp_path / "run" / "manifest.json") in done["files"]
    assert report.manifest["plugins"][f"xaikit.observers:{listener_in(tmp_path)}"]["source"]


def test_photographs_that_an_earlier_sitting_has_done_are_left_out(tmp_path: Path) -> None:
    values = config_in(tmp_path, controls=False)
    xaikit.run(values)
    xaikit.run({**values, "observers": {"mine": observed(tmp_path)}})
    started = [value["photographs"] for hook, value in told(tmp_path / "told.jsonl") if hook == "run_started"]
    assert started == [0]
    xaikit.run({**values, "observers": {"mine": observed(tmp_path)}, "metrics": ["sparseness"]})
    events = told(tmp_path / "told.jsonl")
    started = [value["photographs"] for hook, value in events if hook == "run_started"]
    assert started[-1] == [value["done"] for hook, value in events if hook == "shard_done"][-1] == len(PHOTOGRAPHS)


def test_numbers_are_those_of_the_report(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path, observers={"mine": observed(tmp_path)}, metrics=["srg", "sparseness"]))
    numbers = told(tmp_path / "told.jsonl")[-1][1]["numbers"]
    means = report.query(
        "SELECT metric_label || '/' || trial AS key, avg(value) AS mean FROM measures WHERE control = '' GROUP BY ALL"
    ).to_pylist()
    assert {row["key"]: pytest.approx(row["mean"]) for row in means}.items() <= numbers.items()
    assert {"srg/gradcam", "sparseness/uniform"} <= set(numbers)


def test_a_mean_of_nothing_is_nan_and_dead_maps_are_counted(tmp_path: Path) -> None:
    methods = {"gradcam": {}, "flat": {"use": "uniform"}}
    values = config(tmp_path, methods=methods, metrics=["energypointing"], controls=False)
    xaikit.run({**values, "observers": {"mine": observed(tmp_path)}})
    numbers = told(tmp_path / "told.jsonl")[-1][1]["numbers"]
    assert math.isnan(numbers["energypointing/gradcam"])  # nobody says where the objects are
    assert numbers["dead"] == 3


def test_files_are_what_there_is_to_look_at(tmp_path: Path) -> None:
    xaikit.run(config(tmp_path, observers={"mine": observed(tmp_path)}))
    files = [Path(file).name for file in told(tmp_path / "told.jsonl")[-1][1]["files"]]
    assert {"contact-sheet.jpg", "report.html", "manifest.json"} <= set(files)


def test_each_listener_is_handed_a_copy_in_the_order_of_the_config(tmp_path: Path) -> None:
    both = {"first": observed(tmp_path), "second": observed(tmp_path)}
    report = xaikit.run(config(tmp_path, observers=both))
    events = [value for hook, value in told(tmp_path / "told.jsonl") if hook == "run_started"]
    assert [event["config"]["seed"] for event in events] == ["changed by a listener"] * 2
    assert list(events[0]["config"]["observers"]) == ["first", "second"]
    assert report.manifest["config"]["seed"] == 0


def test_what_comes_of_the_environment_is_told_as_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLD_TO", str(tmp_path / "told.jsonl"))
    entry = {"use": listener_in(tmp_path), "to": "${oc.env:TOLD_TO}"}
    xaikit.run(config(tmp_path, observers={"mine": entry}))
    started = told(tmp_path / "told.jsonl")[1][1]
    assert started["config"]["observers"]["mine"]["to"] == "${oc.env:TOLD_TO}"


# --- what raises


@pytest.mark.parametrize("hook", ["listen", "run_started", "shard_done", "run_done"])
def test_a_listener_that_raises_is_reported_once_and_stops_nothing(tmp_path: Path, hook: str) -> None:
    broken = observed(tmp_path, raises=f"{hook} run_done", to=str(tmp_path / "broken.jsonl"))
    values = config_in(tmp_path, observers={"broken": broken, "mine": observed(tmp_path)})
    with pytest.warns(UserWarning, match=rf"^observer broken: {hook}: ValueError: {hook} is out of order; ") as caught:
        report = xaikit.run(values)
    assert len(caught) == 1
    assert len(report.images) == len(PHOTOGRAPHS)
    assert hooks(tmp_path / "told.jsonl") == ["listen", "run_started", *["shard_done"] * 6, "run_done"]
    assert report.stopped == ""


def test_one_that_raised_is_told_nothing_more_but_the_end(tmp_path: Path) -> None:
    values = config_in(tmp_path, observers={"mine": observed(tmp_path, raises="shard_done")})
    with pytest.warns(UserWarning, match="shard_done is out of order"):
        xaikit.run(values)
    assert hooks(tmp_path / "told.jsonl") == ["listen", "run_started", "shard_done", "run_done"]


def test_maps_are_the_same_with_and_without(tmp_path: Path) -> None:
    xaikit.run(config_in(tmp_path))
    bare = hashes(tmp_path / "run")
    values = config_in(tmp_path, observers={"mine": observed(tmp_path)})
    xaikit.run(values | {"report": {**values["report"], "to": str(tmp_path / "other")}})
    assert hashes(tmp_path / "other") == bare


class Raising(Unwatched):
    """Ends the run after its first shard, as a full disk does."""

    def advanced(self, receipt: Any) -> None:
        raise OSError("no space left on device")


def test_a_run_that_an_error_ends_tells_that_in_place_of_its_end(tmp_path: Path) -> None:
    with pytest.raises(xaikit.StoreError):
        steps.run(config_in(tmp_path, observers={"mine": observed(tmp_path)}), watcher=Raising())
    events = told(tmp_path / "told.jsonl")
    assert [hook for hook, _ in events] == ["listen", "run_started", "failed"]
    assert events[-1][1]["error"].startswith("StoreError: ")


def test_a_run_that_does_not_begin_tells_nothing(tmp_path: Path) -> None:
    values = config_in(tmp_path, observers={"mine": observed(tmp_path)}, layers=["bodi"])
    with pytest.raises(xaikit.LayerNotFound):
        xaikit.run(values)
    assert hooks(tmp_path / "told.jsonl") == ["listen"]


def test_failures_of_photographs_are_told_with_their_shard(tmp_path: Path) -> None:
    values = config_in(tmp_path, observers={"mine": observed(tmp_path)})
    (tmp_path / "photos" / "03.png").write_bytes(b"no picture")
    xaikit.run(values)
    events = told(tmp_path / "told.jsonl")
    ((name, why),) = [failure for hook, value in events if hook == "shard_done" for failure in value["failures"]]
    assert Path(name).name == "03.png"
    assert why
    assert events[-1][1]["numbers"]["failed"] == 1


# --- what is no observer


@pytest.mark.parametrize(
    ("observers", "line"),
    [
        ("mlfow", "observers.mlfow: no observer 'mlfow'; did you mean 'mlflow'?"),
        (
            {"mlflow": {"experimnt": "a"}},
            "observers.mlflow.experimnt: unknown option of mlflow; did you mean 'experiment'",
        ),
        ({"wandb": {"mode": "ofline"}}, "observers.wandb.mode: expected 'offline' or 'online', got 'ofline'"),
        ([3], "observers[0]: expected an observer's name, got 3; write observers: {label: {...}}"),
        (["wandb", "wandb"], "observers[1]: 'wandb' stands twice; write observers: {label: {use: wandb}}"),
        ({"sweep": {"use": 3}}, "observers.sweep.use: expected the name of an observer, got 3"),
    ],
)
def test_faults_are_named_at_their_place(tmp_path: Path, observers: Any, line: str) -> None:
    with pytest.raises(xaikit.ConfigError) as error:
        xaikit.load(config(tmp_path, observers=observers))
    assert line in str(error.value)


def test_a_config_says_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    one = xaikit.load(config(tmp_path, observers=["tensorboard"]), ["observers.tensorboard.to=elsewhere"])
    assert one.observers["tensorboard"].options == {"to": "elsewhere"}
    assert xaikit.load(one.plain()) == one
    assert "observers" not in xaikit.load(config(tmp_path)).plain()


def test_observers_do_not_vary(tmp_path: Path) -> None:
    with pytest.raises(xaikit.ConfigError, match=r"observers\.tensorboard\.to"):
        xaikit.load(config(tmp_path, observers=["tensorboard"]), axes=["observers.tensorboard.to=a,b"])


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("def shard_dne(self, shard)", "def shard_done(self, shard)", "no hook 'shard_dne'; did you mean 'shard_done'"),
        ("def shard_done(self, rows)", "def shard_done(self, shard)", "'rows'"),
        ("return 3", "return Told(self)", "expected methods marked with @hookimpl, such as run_started, got 3"),
    ],
)
def test_one_that_listens_wrongly_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: str, right: str, message: str
) -> None:
    (tmp_path / "wrong.py").write_text(LISTENER.replace(right, wrong))
    values = config(tmp_path, observers={"mine": {"use": f"{tmp_path}/wrong.py", "to": str(tmp_path / "told.jsonl")}})
    with pytest.raises(xaikit.PluginContract, match=rf"observer mine: listen\(\): .*{message}"):
        xaikit.run(values)
    assert not (tmp_path / "run").exists()


def test_the_hooks_have_many_listeners() -> None:
    hooks = {name: hook for name, hook in vars(ObserverHooks).items() if hasattr(hook, "xaikit_spec")}
    assert list(hooks) == ["run_started", "shard_done", "run_done", "failed"]
    assert not any(hook.xaikit_spec["firstresult"] for hook in hooks.values())


# --- somebody else's, and other processes


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    with installing(tmp_path / "site", monkeypatch) as put:
        yield put


def test_a_third_partys_is_found_and_told(tmp_path: Path, install: Install) -> None:
    install("xaikit-ears", "[xaikit.observers]\nears = xaikit_ears\n", f'"""Ears."""\n{LISTENER}')
    report = xaikit.run(config(tmp_path, observers={"ears": {"to": str(tmp_path / "told.jsonl")}}))
    assert hooks(tmp_path / "told.jsonl") == ["listen", "run_started", "shard_done", "run_done"]
    assert report.manifest["plugins"]["xaikit.observers:ears"]["distribution"] == "xaikit-ears"


def test_under_ray_they_are_told_in_the_process_that_was_started(tmp_path: Path) -> None:
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    text = LISTENER.replace('"""Writes', '"""Of this process. Writes').replace(
        "file.write(json.dumps([hook, told])",
        "import os\n            file.write(json.dumps([hook, {'pid': os.getpid()}])",
    )
    (tmp_path / "here.py").write_text(text)
    entry = {"use": f"{tmp_path}/here.py", "to": str(tmp_path / "told.jsonl")}
    broken = {**entry, "to": str(tmp_path / "broken.jsonl"), "raises": "shard_done"}
    executor = {"use": "ray", "workers": 2, "threads": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Ray leaves sockets and files of its own open
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        try:
            with pytest.warns(UserWarning, match="observer broken: shard_done: ValueError") as caught:
                report = xaikit.run(
                    {**config_in(tmp_path, observers={"broken": broken, "mine": entry}), "executor": executor}
                )
        finally:
            ray.shutdown()
    assert len([one for one in caught if "observer" in str(one.message)]) == 1
    assert len(report.images) == len(PHOTOGRAPHS)
    assert hooks(tmp_path / "told.jsonl") == ["listen", "run_started", *["shard_done"] * 6, "run_done"]
    assert {value["pid"] for _, value in told(tmp_path / "told.jsonl")} == {os.getpid()}
