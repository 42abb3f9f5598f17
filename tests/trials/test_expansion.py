from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.errors import ConfigError
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.sections import Config, DataConfig, MethodConfig, ModelConfig, SweepConfig
from xaikit.trials.expansion import expand
from xaikit.trials.placement import Point
from xaikit.trials.trial import DEFAULTS, Trial

REGISTRY = fake_registry()
NEEDED = {"model": {"source": "zoo", "name": "resnet"}, "data": {"source": "folder", "path": "x"}, "methods": "grad"}


def config(**stated: Any) -> Config:
    return load({**NEEDED, **stated}, registry=REGISTRY)


def points(sweep: Any = None, **stated: Any) -> tuple[Point, ...]:
    return expand(config(**stated, sweep=sweep), REGISTRY)


def trials(**stated: Any) -> dict[str, Trial]:
    (point,) = points(**stated)
    return {trial.label: trial for trial in point.trials}


# --- one point


def test_without_a_sweep_there_is_one_point() -> None:
    (point,) = points(methods=["grad", "smooth"])
    assert point.where == {}
    assert [trial.label for trial in point.trials] == ["grad", "smooth"]
    assert (point.model, point.data) == (config().model, config().data)


def test_a_label_takes_what_it_does_not_say_from_the_config() -> None:
    by_label = trials(
        methods={"grad": None, "own": {"use": "grad", "layers": "a", "target": 3}}, layers=["b", "c"], seed=7
    )
    assert by_label["grad"].layers == ("b", "c")
    assert by_label["grad"].target == Use("top", {"k": 1})
    assert by_label["own"].layers == ("a",)
    assert by_label["own"].target == Use("logit", {"index": 3})
    assert {trial.seed for trial in by_label.values()} == {7}


def test_a_trial_has_all_options_and_no_auto() -> None:
    trial = trials(methods={"smooth": {"n": 8}})["smooth"]
    assert trial.options == {"n": 8, "std": 1.0, "variant": "corrected", "note": None, "sizes": [3, 5]}
    assert trial.finish.stages() == DEFAULTS


# --- several


def test_points_are_the_product_and_say_where_they_are() -> None:
    expanded = points({"layers": ["a", ["a", "b"]], "methods.smooth.n": [2, 8]}, methods="smooth")
    assert [point.where for point in expanded] == [
        {"layers": ["a"], "methods.smooth.n": 2},
        {"layers": ["a"], "methods.smooth.n": 8},
        {"layers": ["a", "b"], "methods.smooth.n": 2},
        {"layers": ["a", "b"], "methods.smooth.n": 8},
    ]
    assert [(point.trials[0].layers, point.trials[0].options["n"]) for point in expanded] == [
        (("a",), 2),
        (("a",), 8),
        (("a", "b"), 2),
        (("a", "b"), 8),
    ]


def test_every_key_that_maps_depend_on_varies() -> None:
    expanded = points(
        {
            "zip": {
                "seed": [1, 2],
                "precision": ["float16", "float32"],
                "model.name": ["a", "b"],
                "model.output": [0, "logits"],
                "data.path": ["p", "q"],
                "data.transform.size": [3, [4, 5]],
                "target": [3, "top2"],
                "finish.fuse": ["mean", "max"],
                "methods.grad.use": ["smooth", "layer"],
                "methods.grad.finish.normalize": ["minmax", "none"],
            }
        }
    )
    assert [(point.trials[0].seed, point.trials[0].precision, point.trials[0].use) for point in expanded] == [
        (1, "float16", "smooth"),
        (2, "float32", "layer"),
    ]
    assert [(point.model.source.options["name"], point.model.output) for point in expanded] == [
        ("a", 0),
        ("b", "logits"),
    ]
    assert [point.data.source.options["path"] for point in expanded] == ["p", "q"]
    assert [point.data.transform.size for point in expanded if point.data.transform] == [3, (4, 5)]
    assert [point.trials[0].target for point in expanded] == [Use("logit", {"index": 3}), Use("top", {"k": 2})]
    finishes = [point.trials[0].finish for point in expanded]
    assert [(finish.fuse.use, finish.normalize.use, finish.rectify.use) for finish in finishes] == [
        ("mean", "minmax", "none"),
        ("max", "none", "relu"),
    ]


def test_a_label_inherits_the_gamma_of_its_point() -> None:
    expanded = points(
        {"finish.scale.gamma": [3, 5]},
        finish={"scale": "tanh"},
        methods={
            "grad": {"finish": {"scale": {"use": "tanh", "max_stride": 8}}},
            "layer": {"finish": {"scale": "none"}},
        },
    )
    assert [point.trials[0].finish.scale for point in expanded] == [
        Use("tanh", {"gamma": 3.0, "max_stride": 8.0}),
        Use("tanh", {"gamma": 5.0, "max_stride": 8.0}),
    ]
    assert {point.trials[1].finish.scale.use for point in expanded} == {"none"}
    assert expanded[0].trials[1].id == expanded[1].trials[1].id


def test_another_plugin_drops_the_options_of_the_old_one() -> None:
    expanded = points({"methods.x.use": ["smooth", "grad"]}, methods={"x": {"use": "smooth", "n": 9, "layers": "own"}})
    assert expanded[0].trials[0].options["n"] == 9
    assert (expanded[1].trials[0].options, expanded[1].trials[0].layers) == ({}, ("auto",))


def test_interpolations_follow_the_axis() -> None:
    expanded = points(
        {"seed": [2, 3], "model.name": ["a", "b"]},
        methods={"smooth": {"sizes": "${seed}", "layers": ["${model.name}"]}},
        data={"source": "folder", "path": "${model.name}/${seed}"},
    )
    assert [
        (point.trials[0].options["sizes"], point.trials[0].layers, point.data.source.options["path"])
        for point in expanded
    ] == [
        (2, ("a",), "a/2"),
        (2, ("b",), "b/2"),
        (3, ("a",), "a/3"),
        (3, ("b",), "b/3"),
    ]


def test_the_environment_is_no_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIKIT_PLACE", "here")
    expanded = points({"seed": "0..9"}, data={"source": "folder", "path": "${oc.env:XAIKIT_PLACE}/x"})
    assert {point.data.source.options["path"] for point in expanded} == {"here/x"}
    assert len({id(point.data) for point in expanded}) == 1  # read once


def test_labels_come_with_points() -> None:
    expanded = points({"methods.new.use": ["grad", "layer"], "include": {"seed": 4}}, methods="smooth")
    assert [[trial.label for trial in point.trials] for point in expanded] == [
        ["smooth", "new"],
        ["smooth", "new"],
        ["smooth"],
    ]
    assert [trial.use for trial in expanded[1].trials] == ["smooth", "layer"]


def test_an_included_point_is_else_as_the_config_says() -> None:
    expanded = points({"layers": ["a", "b"], "include": [{"seed": 9}, {"layers": "c", "seed": 0}]}, layers="own")
    assert [point.where for point in expanded] == [
        {"layers": ["a"], "seed": 0},
        {"layers": ["b"], "seed": 0},
        {"layers": ["own"], "seed": 9},
        {"layers": ["c"], "seed": 0},
    ]
    assert [(point.trials[0].layers, point.trials[0].seed) for point in expanded] == [
        (("a",), 0),
        (("b",), 0),
        (("own",), 9),
        (("c",), 0),
    ]


def test_what_a_point_leaves_to_the_environment_is_where_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIKIT_PLACE", "s3cr3t")
    data = {"source": "folder", "path": "${oc.env:XAIKIT_PLACE}/x"}
    expanded = points({"seed": [0], "include": [{"data.path": "other"}]}, data=data)
    assert [point.where["data.path"] for point in expanded] == [data["path"], "other"]
    assert [point.data.source.options["path"] for point in expanded] == ["s3cr3t/x", "other"]


def test_where_says_nothing_of_what_the_config_does_not_say() -> None:
    expanded = points({"seed": [1, 2], "include": {"finish.scale.use": "tanh", "finish.scale.gamma": 3}})
    assert [point.where for point in expanded] == [
        {"seed": 1, "finish.scale.use": "auto"},
        {"seed": 2, "finish.scale.use": "auto"},
        {"seed": 0, "finish.scale.use": "tanh", "finish.scale.gamma": 3},
    ]


def test_points_share_what_is_the_same() -> None:
    expanded = points({"seed": [1, 2], "methods.smooth.n": [2, 3]}, methods=["grad", "smooth"])
    assert len({id(point.model) for point in expanded}) == 1
    assert len({id(point.trials[1]) for point in expanded}) == 4
    assert expanded[0].trials[0] is expanded[1].trials[0]


def test_what_is_wrong_only_together_is_found_when_it_is_loaded() -> None:
    with pytest.raises(ConfigError, match=r"sweep.methods.x.n\[0\]: at methods.x.use=grad, methods.x.n=4"):
        points({"methods.x.use": ["grad", "smooth"], "methods.x.n": [4, 8]}, methods={"x": "smooth"})


# --- configs by hand


BY_HAND = Config(
    name="hand",
    model=ModelConfig(Use("zoo", {"name": "resnet"})),
    data=DataConfig(Use("folder", {"path": "x"})),
    methods={"a": MethodConfig("smooth", {"n": 3}), "b": MethodConfig("grad", layers=("l",))},
    sweep=SweepConfig({"seed": (1, 2), "layers": ("a", ["b"])}),
)


def test_a_config_by_hand_expands() -> None:
    expanded = expand(BY_HAND, REGISTRY)
    assert [(point.where["seed"], point.where["layers"]) for point in expanded] == [
        (1, ["a"]),
        (1, ["b"]),
        (2, ["a"]),
        (2, ["b"]),
    ]
    assert expanded[1].trials[0].options["sizes"] == [3, 5]
    assert [trial.layers for trial in expanded[1].trials] == [("b",), ("l",)]


def test_what_is_wrong_with_a_config_by_hand() -> None:
    with pytest.raises(ConfigError) as caught:
        expand(replace(BY_HAND, sweep=SweepConfig({"seed": (1, "x"), "sed": (1,)})), REGISTRY)
    assert caught.value.problems == (
        "sweep.sed: unknown key; did you mean 'seed'?",
        "sweep.seed[1]: expected an integer, got 'x'",
    )
    with pytest.raises(ConfigError) as caught:
        expand(replace(BY_HAND, sweep=SweepConfig({"seed": (1, "x")})), REGISTRY)
    assert caught.value.problems == ("sweep.seed[1]: expected an integer, got 'x'",)
    with pytest.raises(ConfigError, match=r"^sweep.exclude: leaves no point$"):
        expand(replace(BY_HAND, sweep=SweepConfig({"seed": (1,)}, exclude=({"seed": (1,)},))), REGISTRY)
    with pytest.raises(ConfigError, match=r"methods.a.n: expected an integer, got 'many'"):
        expand(replace(BY_HAND, methods={"a": MethodConfig("smooth", {"n": "many"})}), REGISTRY)


def test_a_config_that_was_changed_expands_as_it_says_now() -> None:
    stated = config(methods={"smooth": {"sizes": "${seed}"}}, sweep={"seed": [1, 2]})
    changed = replace(
        stated, methods={"smooth": MethodConfig("smooth", {"sizes": 7})}, sweep=SweepConfig({"seed": (5, 6)})
    )
    assert [(point.trials[0].seed, point.trials[0].options["sizes"]) for point in expand(changed, REGISTRY)] == [
        (5, 7),
        (6, 7),
    ]
    only = replace(stated, sweep=SweepConfig({"seed": (5, 6)}))
    assert [point.trials[0].options["sizes"] for point in expand(only, REGISTRY)] == [0, 0]
    same = replace(stated, device="cpu", data=replace(stated.data, batch_size=3))
    assert [point.trials[0].options["sizes"] for point in expand(same, REGISTRY)] == [1, 2]
    assert len(expand(replace(stated, sweep=SweepConfig()), REGISTRY)) == 1
    assert expand(replace(stated, seed=4, sweep=SweepConfig()), REGISTRY)[0].trials[0].seed == 4


def test_a_loaded_config_expands_the_same_again() -> None:
    stated = config(methods={"smooth": {"sizes": "${seed}"}}, sweep={"seed": [1, 2]})
    assert expand(load(stated, registry=REGISTRY), REGISTRY) == expand(stated, REGISTRY)


# --- names of plugins


def test_a_plugin_is_the_same_however_it_is_named(tmp_path: Path) -> None:
    stated = ["smooth", "unknown:smooth", "helpers.fake_plugins:Smooth"]
    by_label = trials(methods={f"m{place}": {"use": use} for place, use in enumerate(stated)})
    assert len({trial.id for trial in by_label.values()}) == 1
    targets = [{"use": use, "k": 1} for use in ("top", "unknown:top", "helpers.fake_plugins:Top")]
    by_label = trials(methods={f"m{place}": {"use": "grad", "target": target} for place, target in enumerate(targets)})
    assert len({trial.id for trial in by_label.values()}) == 1


def test_an_edited_formula_is_another_request_and_the_others_are_not(tmp_path: Path) -> None:
    code = (
        "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Cam:\n"
        "    needs = None\n    def explain(self, view): return {}\n"
    )
    for name in ("one", "other"):
        (tmp_path / f"{name}.py").write_text(code.format(1))
    file = tmp_path / "c.yaml"
    file.write_text(
        "model: {source: zoo, name: a}\ndata: {source: folder, path: x}\n"
        "methods: {one: {use: './one.py:Cam'}, other: {use: './other.py:Cam'}, grad: }\n"
    )

    def requests() -> dict[str, str]:
        registry = fake_registry()
        (point,) = expand(load(file, registry=registry), registry)
        return {trial.label: trial.request for trial in point.trials}

    before = requests()
    assert requests() == before
    (tmp_path / "one.py").write_text(code.format(22))
    after = requests()
    assert {label for label in before if before[label] != after[label]} == {"one"}


def test_a_helper_that_is_edited_changes_those_that_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shelf_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_helper.py").write_text("FACTOR = 1\n")
    method = (
        "from dataclasses import dataclass\nfrom xaikit.hookspecs import hookimpl\n{}\n@dataclass(frozen=True)\nclass Cam:\n"
        "    needs = None\n    def explain(self, view): ...\n\n@hookimpl\ndef xaikit_method():\n    return Cam\n"
    )
    (package / "leaning.py").write_text(method.format("from shelf_of_mine._helper import FACTOR"))
    (package / "alone.py").write_text(method.format(""))
    monkeypatch.syspath_prepend(str(tmp_path))
    offered = [EntryPoint(name, f"shelf_of_mine.{name}", "xaikit.methods") for name in ("leaning", "alone")]

    def ids() -> dict[str, str]:
        registry = fake_registry(*offered)
        (point,) = expand(load({**NEEDED, "methods": ["leaning", "alone"]}, registry=registry), registry)
        return {trial.label: trial.id for trial in point.trials}

    before = ids()
    (package / "_helper.py").write_text("FACTOR = 22\n")
    after = ids()
    assert before["alone"] == after["alone"]
    assert before["leaning"] != after["leaning"]
    for name in [name for name in sys.modules if name.startswith("shelf_of_mine")]:
        del sys.modules[name]


def test_the_batch_size_matters_to_a_method_whose_maps_depend_on_the_batch() -> None:
    def requests(size: int) -> list[str]:
        stated = {"model": {"source": "samples"}, "data": {"source": "samples", "batch_size": size}}
        config = load({**stated, "methods": ["gradcam", "dff"]})
        return [trial.request for trial in expand(config, Registry())[0].trials]

    (grad, factored), (again, other) = requests(2), requests(3)
    assert grad == again
    assert factored != other


LAZY_IDS = """
import json, sys
from xaikit.config import load
from xaikit.registry import Registry
from xaikit.trials.expansion import expand
registry = Registry().lazy()
(point,) = expand(load(json.loads(sys.argv[1]), registry=registry), registry)
print(json.dumps([[trial.id for trial in point.trials], "torch" in sys.modules]))
"""


def test_the_keys_are_the_same_where_plugins_are_lazy() -> None:
    methods = {"gradcam": None, "again": {"use": "xaikit:gradcam"}, "scorecam": {"target": {"use": "margin", "of": 3}}}
    stated = {"model": {"source": "samples"}, "data": {"source": "samples"}, "methods": methods}
    done = subprocess.run(
        [sys.executable, "-c", LAZY_IDS, json.dumps(stated)], capture_output=True, text=True, check=True
    )
    (point,) = expand(load(stated), Registry())
    assert json.loads(done.stdout) == [[trial.id for trial in point.trials], False]


# --- what judges


def judged(**stated: Any) -> tuple[Point, ...]:
    sources = {"model": {"source": "samples"}, "data": {"source": "samples"}, "metrics": "sparseness"}
    return expand(load({**sources, **stated}), Registry())


def test_a_method_may_be_called_like_a_control_and_takes_the_place_of_none_but_itself() -> None:
    (point,) = judged(methods={"edges": {"use": "gradcam"}, "uniform": {"use": "uniform"}})
    controls = {trial.label: trial.use for trial in point.trials if trial.control}
    assert controls == {"center": "center", "edges (control)": "edges", "randomcam": "randomcam"}
    assert {trial.label for trial in point.trials if not trial.control} == {"edges", "uniform"}


def test_seeds_and_precisions_are_of_methods_and_a_metric_has_those_of_the_config() -> None:
    points = judged(methods="gradcam", seed=7, sweep={"seed": [1, 2], "precision": ["float32", "bfloat16"]})
    assert len(points) == 4
    assert {(metric.seed, metric.precision) for point in points for metric in point.metrics} == {(7, "float32")}
