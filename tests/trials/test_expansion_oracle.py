"""A sweep is what its points are, each loaded by itself with overrides: the slow way, which cannot be wrong."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.errors import ConfigError
from xaikit.schema.sections import Config
from xaikit.trials.expansion import expand
from xaikit.trials.placement import Point
from xaikit.trials.trial import effective_finish

REGISTRY = fake_registry()
BASES: list[dict[str, Any]] = [
    {"methods": {"grad": None, "smooth": {"n": 6, "layers": "own"}}},
    {
        "methods": {
            "smooth": {"sizes": "${seed}", "note": "${precision}", "finish": {"scale": "tanh"}},
            "layer": {"finish": {"scale": {"use": "tanh", "max_stride": 2}}, "target": "${target}"},
        },
        "target": "top2",
        "finish": {"scale": {"use": "tanh", "gamma": 4}},
        "layers": ["${model.name}", "${oc.env:XAIKIT_NONE,x}"],
    },
    {"methods": {"grad": {"target": 3}, "layer": "grad"}, "name": "night", "data": {"path": "${name}/${model.name}"}},
    {
        "methods": {
            "smooth": {"n": 3, "note": "b", "sizes": ["${..n}", 2]},
            "also": {"use": "grad", "layers": "${methods.smooth.note}"},
        }
    },
    {
        "methods": {"layer": {"finish": {"scale": "tanh"}}, "grad": None, "smooth": {"note": "${target.use}"}},
        "finish": {"scale": {"use": "tanh", "gamma": "${seed}"}},
        "layers": "${model.name}",
        "target": "top2",
    },
]
AXES: dict[str, list[Any]] = {
    "seed": [0, 1, 2, 7],
    "precision": ["float32", "float16", "half"],
    "layers": ["a", ["b"], ["a", "b"], {"name": "c", "call": "last"}],
    "target": ["top1", "top3", 3, {"use": "classes", "of": [1, 2]}, "label", {"use": "logit"}],
    "target.k": [2, 4],
    "methods": ["grad", ["smooth", "layer"], {"more": {"use": "smooth", "n": 5}}],
    "methods.smooth": [None, {"n": 9}, "grad", {"use": "layer", "finish": {"fuse": "mean"}}],
    "methods.smooth.use": ["smooth", "grad"],
    "methods.smooth.n": [2, 3, 8, 0],
    "methods.smooth.std": [2, 7.5],
    "methods.smooth.sizes": [1, [2, 3], "${seed}"],
    "methods.grad.layers": ["z", ["y", "z"], None],
    "methods.layer.target": [4, None, "top5"],
    "methods.layer.finish.scale": ["tanh", "none", "auto", {"use": "tanh", "max_stride": 3}],
    "methods.new.use": ["grad", "smooth"],
    "methods.new.n": [4, 5],
    "finish.scale": ["tanh", "none", "auto"],
    "finish.scale.gamma": [1, 3.5],
    "finish": [{"fuse": "mean"}, {"scale": "tanh", "resize": [3, 4]}],
    "model.name": ["resnet", "vit"],
    "model.source": ["zoo", "other"],
    "model": [{"source": "other", "name": "b"}, {"output": 1}],
    "data.path": ["x", "${model.name}"],
    "data.transform.size": [3, [4, 5]],
}
COMMON = {
    "seed": 3,
    "layers": ["own"],
    "model": {"source": "zoo", "name": "resnet"},
    "data": {"source": "folder", "path": "x"},
}


def config(base: dict[str, Any]) -> dict[str, Any]:
    stated = copy.deepcopy({**COMMON, **base})
    stated["data"] = {**COMMON["data"], **base.get("data", {})}  # type: ignore[dict-item]
    return stated


@st.composite
def sweeps(draw: st.DrawFn) -> dict[str, Any]:
    keys = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=4, unique=True))
    values = {
        key: draw(st.lists(st.sampled_from(AXES[key]), min_size=1, max_size=3, unique_by=json.dumps)) for key in keys
    }
    tied = keys[-2:] if len(keys) > 2 and draw(st.booleans()) else []
    size = min((len(values[key]) for key in tied), default=0)
    sweep: dict[str, Any] = {key: values[key] for key in keys if key not in tied}
    if tied:
        sweep["zip"] = {key: values[key][:size] for key in tied}
    free = [key for key in keys if key not in tied]
    if draw(st.booleans()):
        sweep["exclude"] = [{key: draw(st.lists(st.sampled_from(values[key]), min_size=1, max_size=2)) for key in free}]
    if draw(st.booleans()):
        more = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=2, unique=True))
        sweep["include"] = [{key: draw(st.sampled_from(AXES[key])) for key in more}]
    return sweep


def points_of(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """The points of a sweep as mappings from key to value."""
    axes = [
        [{key: value} for value in values] for key, values in sweep.items() if key not in ("zip", "exclude", "include")
    ]
    tied = sweep.get("zip", {})
    if tied:
        axes.append([dict(zip(tied, row, strict=True)) for row in zip(*tied.values(), strict=True)])
    points = [{key: value for part in parts for key, value in part.items()} for parts in itertools.product(*axes)]
    drops = sweep.get("exclude", [])
    remaining = [point for point in points if not any(all(point[key] in drop[key] for key in drop) for drop in drops)]
    return remaining + sweep.get("include", [])


def slowly(stated: dict[str, Any], point: dict[str, Any]) -> tuple[Any, ...]:
    """Model, data and trials of one point, from a config that says nothing else."""

    def order(key: str) -> tuple[int, bool]:
        return key.count("."), not key.endswith(("use", "source"))

    overrides = [f"{key}={json.dumps(point[key])}" for key in sorted(point, key=order)]
    config = load(stated, overrides, REGISTRY)
    return config.model, config.data, [_trial(config, label) for label in config.methods]


def _trial(config: Config, label: str) -> tuple[Any, ...]:
    method = config.methods[label]
    paper = getattr(REGISTRY.find("method", method.use).cls, "paper", {})
    finish = effective_finish(paper, config.finish, method.finish, REGISTRY)
    layers, target = method.layers or config.layers, method.target or config.target
    return label, method.use, method.options, layers, target, config.precision, config.seed, finish


def quickly(point: Point) -> tuple[Any, ...]:
    names = ("label", "use", "options", "layers", "target", "precision", "seed", "finish")
    return point.model, point.data, [tuple(getattr(trial, name) for name in names) for trial in point.trials]


@pytest.mark.parametrize("base", BASES)
def test_the_configs_are_right_without_a_sweep(base: dict[str, Any]) -> None:
    (point,) = expand(load(config(base), registry=REGISTRY), REGISTRY)
    assert len(point.trials) == len(base["methods"])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(BASES), sweeps())
def test_a_sweep_is_its_points(base: dict[str, Any], sweep: dict[str, Any]) -> None:
    stated = config(base)
    points = points_of(sweep)
    assume(points)
    try:
        slow = [slowly(stated, point) for point in points]
    except ConfigError:
        event("refused")
        with pytest.raises(ConfigError):
            load({**stated, "sweep": sweep}, registry=REGISTRY)
        return
    event("made")
    fast = expand(load({**stated, "sweep": sweep}, registry=REGISTRY), REGISTRY)
    assert [quickly(point) for point in fast] == slow
    for trial in {id(trial): trial for point in fast for trial in point.trials}.values():
        assert (trial.request, trial.evidence, trial.id) == (
            replace(trial).request,
            replace(trial).evidence,
            replace(trial).id,
        )
