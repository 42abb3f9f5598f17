from __future__ import annotations

from typing import Any

import pytest

from xaikit.config import load
from xaikit.schema.keys import Use
from xaikit.schema.sections import Config, ReportConfig

BAD = """\
version: 2
nmae: x
seed: yes
device: cdua
precision: half
executor: {use: serail, threads: x}
budget: soon
model: {source: zo, output: yes}
data: {source: folder, path: 3, workers: [1], batch_size: 0, transform: {size: [1, a], crop: 0.5, mean: [1, b], sdt: 1}}
target: {k: 3}
layers: [a, no, 4]
methods:
  gard:
  smooth: {n: many, variant: papper, augment: 3, layer: x, layers: [], reduce: 1}
  layer: {finish: {scale: {gamma: 2}, fuse: maxx, rectfy: relu}}
  b: {use: no}
finish: {normalize: {use: auto, x: 1}}
report: {to: 2024, overlays: maybe, maps: int8, shard: 0}
sweep: {seed: [1, yes], layers: []}
"""

PROBLEMS = """\
c.yaml:1:1: version: expected 1, got 2: update xaikit, or write version: 1
c.yaml:2:1: nmae: unknown key; did you mean 'name'?
c.yaml:3:1: seed: expected an integer, got true
c.yaml:4:1: device: expected auto, cpu, cuda, cuda:N, mps, xpu or xpu:N, got 'cdua'; did you mean 'cuda' or 'cuda:0'?
c.yaml:5:1: precision: expected 'float32', 'bfloat16' or 'float16', got 'half'; known: bfloat16, float16, float32
c.yaml:6:12: executor.use: no executor 'serail'; did you mean 'serial'?
c.yaml:7:1: budget: expected a duration such as 20min, 90s or 1h30m, got 'soon'
c.yaml:8:9: model.source: no model 'zo'; did you mean 'zoo'?
c.yaml:8:21: model.output: expected a string or an integer, got true; YAML reads yes as a boolean: quote it, "yes"
c.yaml:9:24: data.path: expected a string, got 3; quote it, "3"
c.yaml:9:33: data.workers: expected an integer, got [1]
c.yaml:9:47: data.batch_size: expected greater than or equal to 1, got 0
c.yaml:9:74: data.transform.size: expected an integer or an integer at [1], got [1, 'a']
c.yaml:9:88: data.transform.crop: expected an integer or a list, got 0.5
c.yaml:9:109: data.transform.mean[1]: expected a number, got 'b'
c.yaml:9:113: data.transform.sdt: unknown key; did you mean 'std'?
c.yaml:10:1: target: expected the name of a target, got {'k': 3}; add use: classes, label, logit, top
c.yaml:11:13: layers[1]: expected a string, got false; YAML reads no as a boolean: quote it, "no"
c.yaml:11:17: layers[2]: expected a string, got 4; quote it, "4"
c.yaml:13:3: methods.gard: no method 'gard'; did you mean 'grad'?
c.yaml:14:12: methods.smooth.n: expected an integer, got 'many'
c.yaml:14:21: methods.smooth.variant: expected 'paper' or 'corrected', got 'papper'; did you mean 'paper'?
c.yaml:14:38: methods.smooth.augment: expected a mapping, got 3
c.yaml:14:50: methods.smooth.layer: unknown option of smooth; did you mean 'layers'?
c.yaml:14:60: methods.smooth.layers: expected a list of at least 1, got []
c.yaml:14:72: methods.smooth.reduce: expected 'sum' or 'principal', got 1; quote it, "1"
c.yaml:15:20: methods.layer.finish.scale: expected the name of a scaler, got {'gamma': 2}; add use: auto, none, tanh
c.yaml:15:39: methods.layer.finish.fuse.use: no fuser 'maxx'; did you mean 'max'?
c.yaml:15:51: methods.layer.finish.rectfy: unknown key; did you mean 'rectify'?
c.yaml:16:7: methods.b.use: expected the name of a method, got false; YAML reads no as a boolean: quote it, "no"
c.yaml:17:33: finish.normalize.x: 'auto' has no options; add use: max, minmax
c.yaml:18:10: report.to: expected a string, got 2024; quote it, "2024"
c.yaml:18:20: report.overlays: expected true or false or 'auto', got 'maybe'
c.yaml:18:37: report.maps: expected 'float16', 'uint8' or 'float32', got 'int8'; did you mean 'uint8'?
c.yaml:18:49: report.shard: expected greater than or equal to 1, got 0
c.yaml:19:19: sweep.seed[1]: expected an integer, got true
c.yaml:19:25: sweep.layers: expected at least one value, got []
"""


def test_all_faults_are_reported_at_once(write: Any, faults: Any) -> None:
    assert faults(write(BAD)) == tuple(PROBLEMS.splitlines())


def test_a_models_layout_is_a_plugin(faults: Any) -> None:
    assert faults(model={"source": "zoo", "name": "x", "layout": "tokns"}) == (
        "model.layout.use: no layout 'tokns'; there are none",
    )


def test_names_of_classes_that_yaml_reads_as_something_else_are_to_be_quoted(write: Any, faults: Any) -> None:
    (line,) = (line for line in faults(write("model: {source: zoo, name: x, classes: [cat, no]}")) if "classes" in line)
    assert line.endswith("got ['cat', False]; YAML reads no as a boolean: quote it, \"no\"")
    (line,) = faults(model={"source": "zoo", "name": "x", "classes": [1, "cat"]})
    assert line.endswith("got [1, 'cat']; quote it, \"1\"")


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:3"])
def test_devices(say: Any, device: str) -> None:
    assert say(device=device).device == device


@pytest.mark.parametrize("seed", [-1, 1.5, None, "x", [1]])
def test_a_seed_is_a_natural_number(faults: Any, seed: Any) -> None:
    (line,) = faults(seed=seed)
    assert line.startswith("seed: expected ")


def test_a_config_explains_something(faults: Any) -> None:
    assert faults(methods={}) == ("methods: expected at least one method; known: astray, grad, layer, smooth",)
    assert faults(model={}) == ("model: expected the name of a model, got {}; add source: other, zoo",)


def test_a_transform(say: Any) -> None:
    data = {"source": "folder", "path": "x", "transform": {"size": [3, 4], "crop": 2, "mean": [0, 0, 0.5]}}
    transform = say(data=data).data.transform
    assert (transform.size, transform.crop, transform.mean, transform.std) == ((3, 4), 2, (0.0, 0.0, 0.5), None)
    assert say(data={**data, "transform": None}).data.transform is None


@pytest.mark.parametrize(
    ("executor", "use"),
    [
        ("serial", Use("serial", {"threads": None})),
        ({"use": "serial", "threads": 2}, Use("serial", {"threads": 2})),
        ("actors", Use("actors", {"workers": 2})),
    ],
)
def test_executors(say: Any, executor: Any, use: Use) -> None:
    assert say(executor=executor).executor == use


def test_an_executor_is_stated_whole(faults: Any) -> None:
    assert faults(executor=None) == ("executor: expected the name of an executor, got {}; add use: actors, serial",)
    assert faults(overrides=["executor.threads=2"]) == (
        "override 'executor.threads=2': executor: expected the name of an executor, got {'threads': 2}; "
        "add use: actors, serial",
    )


def test_the_default_executor_is_serial_with_its_options() -> None:
    config = load(
        {"model": {"source": "samples"}, "data": {"source": "samples"}, "methods": "gradcam", "executor": "serial"}
    )
    assert config.executor == Config.executor


@pytest.mark.parametrize("maps", ["float16", "uint8", "float32"])
def test_how_raw_maps_are_kept(say: Any, maps: str) -> None:
    assert say(report={"maps": maps}).report == ReportConfig(maps=maps)  # type: ignore[arg-type]
