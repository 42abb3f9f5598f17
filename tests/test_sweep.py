from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes import fake_registry
from xaikit.config import FinishConfig, Use, load, read_finish
from xaikit.errors import PluginContract
from xaikit.sweep import DEFAULTS, Trial, effective_finish, expand

REGISTRY = fake_registry()


def trials(**said: Any) -> dict[str, Trial]:
    needed = {"model": {"source": "zoo", "name": "resnet"}, "data": {"source": "folder", "path": "x"}}
    points = expand(load({**needed, **said}, registry=REGISTRY), REGISTRY)
    assert len(points) == 1
    return {trial.label: trial for trial in points[0]}


def stages(paper: Any, general: Any, own: Any) -> dict[str, Use]:
    read = FinishConfig(**read_finish(general, REGISTRY))
    return effective_finish(paper, read, read_finish(own, REGISTRY), REGISTRY).stages()


def test_a_label_takes_what_it_does_not_say_from_the_config() -> None:
    found = trials(
        methods={"grad": None, "own": {"use": "grad", "layers": "a", "target": 3}}, layers=["b", "c"], seed=7
    )
    assert found["grad"].layers == ("b", "c")
    assert found["grad"].target == Use("top", {"k": 1})
    assert found["own"].layers == ("a",)
    assert found["own"].target == Use("logit", {"index": 3})
    assert {trial.seed for trial in found.values()} == {7}


def test_a_trial_has_all_options_and_no_auto() -> None:
    trial = trials(methods={"smooth": {"n": 8}})["smooth"]
    assert trial.options == {"n": 8, "std": 1.0, "variant": "corrected", "note": None, "sizes": [3, 5]}
    assert trial.finish.stages() == DEFAULTS


def test_the_label_does_not_enter_the_key() -> None:
    found = trials(methods={"smooth": None, "again": {"use": "smooth", "std": 1}, "else": {"use": "smooth", "std": 2}})
    assert found["smooth"].key() == found["again"].key() != found["else"].key()
    assert len(found["smooth"].key()) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"use": "grad"},
        {"options": {}},
        {"layers": ("b",)},
        {"target": Use("label")},
        {"precision": "bfloat16"},
        {"seed": 1},
        {"finish": FinishConfig()},
    ],
)
def test_everything_else_enters_the_key(change: dict[str, Any]) -> None:
    trial = trials(methods="smooth")["smooth"]
    assert replace(trial, **change).key() != trial.key()


def test_what_a_trial_does_not_depend_on_leaves_its_key_alone() -> None:
    plain = trials(methods="grad")["grad"]
    dressed = trials(
        methods={"x": "grad"},
        name="other",
        device="cuda",
        report={"to": "elsewhere"},
        finish={"normalize": "max"},
        data={"source": "files", "path": "y", "batch_size": 3},
    )["x"]
    assert plain.key() == dressed.key()


def test_finish_falls_from_label_to_config_to_paper_to_default() -> None:
    paper = {"rectify": "relu", "scale": {"use": "tanh", "gamma": 3.0}}
    found = stages(paper, {"scale": "none", "fuse": "mean"}, {"fuse": "max", "resize": "largest"})
    assert found == {
        "rectify": Use("relu"),
        "normalize": Use("max"),
        "scale": Use("none"),
        "resize": Use("largest"),
        "fuse": Use("max"),
    }


def test_auto_hands_back_to_the_paper() -> None:
    paper = {"scale": {"use": "tanh", "max_stride": 4}}
    found = stages(paper, {"scale": "none"}, {"scale": "auto"})
    assert found["scale"] == Use("tanh", {"gamma": 2.0, "max_stride": 4.0})


def test_a_stage_replaces_the_papers_whole() -> None:
    found = stages({"scale": {"use": "tanh", "max_stride": 4}}, {}, {"scale": {"use": "tanh", "gamma": 1}})
    assert found["scale"] == Use("tanh", {"gamma": 1.0, "max_stride": None})


def test_a_paper_that_says_auto_gets_the_default() -> None:
    assert trials(methods="layer")["layer"].finish.fuse == Use("max")


def test_a_label_takes_over_the_options_of_the_same_plugin() -> None:
    found = trials(
        methods={
            "layer": {"finish": {"scale": {"use": "tanh", "max_stride": 8}}},
            "grad": {"finish": {"scale": "auto"}},
        },
        finish={"scale": {"use": "tanh", "gamma": 5}},
    )
    assert found["layer"].finish.scale == Use("tanh", {"gamma": 5.0, "max_stride": 8.0})
    assert found["grad"].finish.scale == Use("none")


def test_a_paper_that_asks_for_nothing_known_is_the_methods_fault() -> None:
    with pytest.raises(
        PluginContract, match=r"paper asks for: finish.scale.use: no scaler 'tahn'; did you mean 'tanh'"
    ):
        trials(methods="astray")
