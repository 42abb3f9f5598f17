from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.runs import CLASSES, config
from xaikit.bench.bench import Bench
from xaikit.bench.fingerprint import architecture_of
from xaikit.bench.opened import pick_device
from xaikit.bench.resolve import resolve_bench
from xaikit.errors import ConfigError, DataError
from xaikit.registry import Registry
from xaikit.trials.expansion import expand
from xaikit.trials.placement import groups


def bench_of(values: dict[str, Any]) -> Bench:
    registry = Registry()
    read = xaikit.load(values, registry=registry)
    return resolve_bench(read, groups(expand(read, registry))[0], registry)


def test_it_resolves_names_to_things(tmp_path: Path) -> None:
    bench = bench_of(
        config(tmp_path, layers=["stem", "auto"], methods={"a": {"use": "layercam", "layers": "stem"}, "gradcam": {}})
    )
    evidence = [bench.evidence[named.trial.evidence] for named in bench.trials]
    assert [[str(tap) for tap in each.taps] for each in evidence] == [["stem"], ["stem", "body"]]
    assert [type(each.method).__name__ for each in evidence] == ["LayerCAM", "GradCAM"]
    finishes = [bench.finishes[named.trial.id] for named in bench.trials]
    assert finishes[0].scale is not None, "LayerCAM's paper bends shallow layers"
    assert finishes[1].scale is None
    assert bench.opened.model.classes == tuple(CLASSES)
    assert len(bench.opened.weights) == 64


def test_trials_that_differ_in_layers_or_finish_share_a_request_and_its_maps(tmp_path: Path) -> None:
    methods = {
        "one": {"use": "gradcam", "layers": ["body"]},
        "two": {"use": "gradcam", "layers": ["stem", "body"], "finish": {"fuse": "mean"}},
        "same": {"use": "gradcam", "layers": ["body"], "finish": {"normalize": "minmax"}},
        "other": {"use": "gradcam", "layers": ["body"], "target": 3},
    }
    bench = bench_of(config(tmp_path, methods=methods))
    evidence = {named.name: bench.evidence[named.trial.evidence] for named in bench.trials}
    assert len(bench.evidence) == 3, "a finish is no evidence"
    assert evidence["one"] is evidence["same"]
    maps = {trial.name: trial.maps for trial in bench.stored_trials}
    assert maps["one"] == maps["two"][1:]
    assert maps["one"] != maps["other"]
    requests = bench.requests()
    assert [[str(tap) for tap in request.taps] for request in requests] == [["body", "stem"], ["body"]]
    only = bench.requests([bench.trials[0].trial.evidence])
    assert [[str(tap) for tap in request.taps] for request in only] == [["body"]], "what is not missing is not computed"


def test_the_key_is_of_what_results_depend_on_beside_trial_and_photograph(tmp_path: Path) -> None:
    values = config(tmp_path)
    base = bench_of(values).opened.key
    assert bench_of({**values, "methods": ["layercam"], "seed": 3}).opened.key == base
    other = {**values["data"], "transform": {**values["data"]["transform"], "size": 40}}
    assert bench_of({**values, "data": other}).opened.key != base
    assert bench_of({**values, "model": {**values["model"], "kwargs": {"seed": 1}}}).opened.key != base


def test_the_architecture_is_more_than_the_weights() -> None:
    from torch import nn

    one, two = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Sequential(nn.Linear(2, 2), nn.GELU())
    assert architecture_of(one) != architecture_of(two)
    assert architecture_of(one) == architecture_of(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))


def test_what_a_module_of_ones_own_imports_beside_it_is_of_the_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_helper.py").write_text("def act(x):\n    return x\n")
    (tmp_path / "own_net.py").write_text(
        "from torch import nn\nimport own_helper\nclass Net(nn.Linear):\n"
        "    def forward(self, x): return own_helper.act(super().forward(x))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    net = importlib.import_module("own_net").Net(2, 2)
    first = architecture_of(net)
    assert architecture_of(net) == first
    (tmp_path / "own_helper.py").write_text("def act(x):\n    return 2 * x\n")
    assert architecture_of(net) != first


def test_no_readable_photograph_is_an_error_with_reasons(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"no")
    with pytest.raises(xaikit.DataError, match=r"none of the photographs can be read:\n.*a\.png"):
        bench_of(config(tmp_path))


def test_one_reason_of_all_photographs_is_given_once_with_the_first(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def broken(picture):\n    raise RuntimeError('not this one')\n")
    values = config(tmp_path)
    data = {**values["data"], "transform": f"{tmp_path}/mine.py:broken"}
    with pytest.raises(xaikit.DataError, match=r":\n[^\n]*one\.png: transform [^\n]*not this one$"):
        bench_of({**values, "data": data})


def test_a_source_without_transform_needs_one_in_the_config(tmp_path: Path) -> None:
    values = config(tmp_path)
    del values["data"]["transform"]
    with pytest.raises(xaikit.ConfigError, match=r"data\.transform: this model's source does not know"):
        bench_of(values)


def test_devices() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(xaikit.ConfigError, match=r"device: expected .*'cuda:99'"):
        pick_device("cuda:99")
    with pytest.raises(xaikit.ConfigError, match=r"device: expected auto, cpu, .* got 'tpu'"):
        pick_device("tpu")


def test_class_names_are_as_many_as_outputs(tmp_path: Path) -> None:
    values = config(tmp_path)
    for classes in (CLASSES[:-1], [*CLASSES, "more"]):
        values["model"]["classes"] = classes
        with pytest.raises(ConfigError, match=rf"classes: expected 5 names, as many as outputs, got {len(classes)}"):
            bench_of(values)


def test_paths_that_are_none_and_labels_that_no_class_has_are_messages(tmp_path: Path) -> None:
    for source, path in (
        ("folder", "a" * 5000),
        ("files", "a" * 5000),
        ("csv", "a\0b"),
        ("imagefolder", "~nobody-there/x"),
    ):
        values = config(tmp_path)
        values["data"] |= {"source": source, "path": path}
        with pytest.raises(DataError) as error:
            bench_of(values)
        assert len(str(error.value)) < 1000
    values = config(tmp_path, target="label")
    (tmp_path / "list.csv").write_text("path,label\nphotos/one.png,99999999999999999999\nphotos/two.png,3\n")
    values["data"] |= {"source": "csv", "path": str(tmp_path / "list.csv")}
    report = xaikit.run(values)
    assert {failure.name for failure in report.failures} == {"photos/one.png"}
    assert all("expected a class index, got a number of 20 digits" in failure.error for failure in report.failures)
    assert len(report.records) > 0
