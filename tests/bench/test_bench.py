from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.runs import CLASSES, config
from xaikit.bench.bench import Bench
from xaikit.bench.fingerprint import architecture_of
from xaikit.bench.resolve import pick_device, resolve_bench
from xaikit.registry import Registry
from xaikit.trials.expansion import expand
from xaikit.trials.placement import groups


def bench_of(said: dict[str, Any]) -> Bench:
    registry = Registry()
    read = xaikit.load(said, registry=registry)
    return resolve_bench(read, groups(expand(read, registry))[0], registry)


def test_it_resolves_names_to_things(tmp_path: Path) -> None:
    bench = bench_of(
        config(tmp_path, layers=["stem", "auto"], methods={"a": {"use": "layercam", "layers": "stem"}, "gradcam": {}})
    )
    asked = [bench.asked[placed.trial.evidence] for placed in bench.placed]
    assert [[str(tap) for tap in each.taps] for each in asked] == [["stem"], ["stem", "body"]]
    assert [type(each.request.method).__name__ for each in asked] == ["LayerCAM", "GradCAM"]
    finishes = [bench.finishes[placed.trial.id] for placed in bench.placed]
    assert finishes[0].scale is not None, "LayerCAM's paper bends shallow layers"
    assert finishes[1].scale is None
    assert bench.opened.classes == tuple(CLASSES)
    assert len(bench.weights) == 64


def test_trials_that_differ_in_layers_or_finish_share_a_request_and_its_maps(tmp_path: Path) -> None:
    methods = {
        "one": {"use": "gradcam", "layers": ["body"]},
        "two": {"use": "gradcam", "layers": ["stem", "body"], "finish": {"fuse": "mean"}},
        "same": {"use": "gradcam", "layers": ["body"], "finish": {"normalize": "minmax"}},
        "other": {"use": "gradcam", "layers": ["body"], "target": 3},
    }
    bench = bench_of(config(tmp_path, methods=methods))
    asked = {placed.name: bench.asked[placed.trial.evidence] for placed in bench.placed}
    assert len(bench.asked) == 3, "a finish is no evidence"
    assert asked["one"] is asked["same"]
    assert asked["one"].keys == asked["two"].keys[1:]
    assert asked["one"].keys != asked["other"].keys
    requests = bench.requests(tuple(bench.asked))
    assert [[str(tap) for tap in request.taps] for request in requests] == [["body", "stem"], ["body"]]
    only = bench.requests([asked["one"].evidence])
    assert [[str(tap) for tap in request.taps] for request in only] == [["body"]], "what is not missing is not computed"


def test_the_key_is_of_what_results_depend_on_beside_trial_and_photograph(tmp_path: Path) -> None:
    said = config(tmp_path)
    base = bench_of(said).key
    assert bench_of({**said, "methods": ["layercam"], "seed": 3}).key == base
    other = {**said["data"], "transform": {**said["data"]["transform"], "size": 40}}
    assert bench_of({**said, "data": other}).key != base
    assert bench_of({**said, "model": {**said["model"], "kwargs": {"seed": 1}}}).key != base


def test_the_architecture_is_more_than_the_weights() -> None:
    from torch import nn

    one, two = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Sequential(nn.Linear(2, 2), nn.GELU())
    assert architecture_of(one) != architecture_of(two)
    assert architecture_of(one) == architecture_of(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))


def test_no_readable_photograph_is_an_error_with_reasons(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"no")
    with pytest.raises(xaikit.DataError, match=r"none of the photographs can be read:\n.*a\.png"):
        bench_of(config(tmp_path))


def test_a_source_without_transform_needs_one_in_the_config(tmp_path: Path) -> None:
    said = config(tmp_path)
    del said["data"]["transform"]
    with pytest.raises(xaikit.ConfigError, match=r"data\.transform: this model's source does not know"):
        bench_of(said)


def test_devices() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(xaikit.ConfigError, match=r"device: expected .*'cuda:99'"):
        pick_device("cuda:99")
