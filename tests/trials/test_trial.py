from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.config.arguments import read_finish
from xaikit.errors import PluginContract
from xaikit.schema.keys import Use
from xaikit.schema.sections import FinishConfig
from xaikit.trials.expansion import expand
from xaikit.trials.trial import Trial, effective_finish

REGISTRY = fake_registry()
NEEDED = {"model": {"source": "zoo", "name": "resnet"}, "data": {"source": "folder", "path": "x"}}
KEYS = ("request", "evidence", "id")


def trials(**stated: Any) -> dict[str, Trial]:
    (point,) = expand(load({**NEEDED, **stated}, registry=REGISTRY), REGISTRY)
    return {trial.label: trial for trial in point.trials}


def keys(trial: Trial) -> tuple[str, str, str]:
    return trial.request, trial.evidence, trial.id


def stages(paper: Any, general: Any, label_finish: Any) -> dict[str, Use]:
    read = FinishConfig(**read_finish(general, REGISTRY))
    return effective_finish(paper, read, read_finish(label_finish, REGISTRY), REGISTRY).stages()


# --- keys


def digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def test_a_key_is_the_digest_of_canonical_json() -> None:
    trial = trials(methods={"x": {"use": "smooth", "n": 8}}, layers=["a", "b"], target=3, seed=5)["x"]
    stated = [
        ["helpers.fake_plugins:Smooth", dict(trial.options)],
        ["helpers.fake_plugins:Logit", {"index": 3}],
        trial.sources,
        5,
        "float32",
    ]
    assert trial.request == digest(stated)
    assert trial.evidence == digest([trial.request, ["a", "b"]])
    assert trial.id == digest([trial.evidence, ["", trial.finish.plain()]])


def test_a_trial_finds_the_keys_by_itself_that_it_was_given() -> None:
    for trial in trials(methods=["smooth", "grad", "layer"], layers=["a", "b"], target="top3").values():
        assert keys(replace(trial)) == keys(trial)
        assert {len(key) for key in keys(trial)} == {16}


def test_the_label_does_not_enter() -> None:
    by_label = trials(
        methods={"smooth": None, "again": {"use": "smooth", "std": 1}, "else": {"use": "smooth", "std": 2}}
    )
    assert keys(by_label["smooth"]) == keys(by_label["again"])
    assert by_label["smooth"].request != by_label["else"].request


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"label": "other"}, ()),
        ({"use": "xaikit:smooth"}, ()),  # the same plugin by another name
        ({"method_class": "helpers.fake_plugins:Grad"}, KEYS),
        ({"options": {}}, KEYS),
        ({"target": Use("classes", {"of": [1]})}, KEYS),
        ({"target_class": "helpers.fake_plugins:Label"}, KEYS),
        ({"sources": "0" * 16}, KEYS),
        ({"precision": "bfloat16"}, KEYS),
        ({"seed": 1}, KEYS),
        ({"layers": ("b",)}, ("evidence", "id")),
        ({"finish": FinishConfig()}, ("id",)),
    ],
)
def test_what_enters_which_key(change: dict[str, Any], changed: tuple[str, ...]) -> None:
    trial = trials(methods="smooth")["smooth"]
    other = replace(trial, **change)
    assert tuple(key for key in KEYS if getattr(other, key) != getattr(trial, key)) == changed


def test_the_seed_is_nothing_to_a_method_that_says_that_it_is_deterministic() -> None:
    here, there = (trials(methods=["grad", "smooth", "layer"], seed=seed) for seed in (0, 1))
    assert keys(here["grad"]) == keys(there["grad"])
    assert here["smooth"].request != there["smooth"].request
    assert here["layer"].request != there["layer"].request  # it says nothing


def test_the_precision_matters_where_the_model_is_run_again() -> None:
    here, there = (trials(methods=["grad", "smooth", "layer"], precision=stated) for stated in ("float32", "float16"))
    assert keys(here["grad"]) == keys(there["grad"])
    assert here["smooth"].request != there["smooth"].request
    assert here["layer"].request != there["layer"].request  # what it needs is not known
    assert there["grad"].precision == "float16"


def test_what_a_trial_does_not_depend_on_leaves_its_keys_alone() -> None:
    plain = trials(methods="smooth")["smooth"]
    dressed = trials(
        methods={"x": {"use": "smooth"}, "y": "grad"},
        name="other",
        device="cuda",
        report={"to": "elsewhere", "maps": "uint8", "shard": 3},
        executor="actors",
        budget="2h",
        finish={"normalize": "max"},
        model={"source": "other", "name": "vit"},
        data={"source": "files", "path": "y", "batch_size": 3, "workers": 2},
    )["x"]
    assert keys(plain) == keys(dressed)


def test_a_trial_by_hand_goes_by_the_names_that_it_is_given() -> None:
    one = Trial("a", "gradcam", {}, ("x",), Use("top", {"k": 1}), "float32", 0, FinishConfig())
    assert one.request == digest([["gradcam", {}], ["top", {"k": 1}], "", 0, "float32"])
    assert replace(one, use="layercam").request != one.request


# --- finish


def test_finish_falls_from_label_to_config_to_paper_to_default() -> None:
    paper = {"rectify": "relu", "scale": {"use": "tanh", "gamma": 3.0}}
    finish = stages(paper, {"scale": "none", "fuse": "mean"}, {"fuse": "max", "resize": "largest"})
    assert finish == {
        "rectify": Use("relu"),
        "normalize": Use("max"),
        "scale": Use("none"),
        "resize": Use("largest"),
        "fuse": Use("max"),
    }


def test_auto_hands_back_to_the_paper() -> None:
    paper = {"scale": {"use": "tanh", "max_stride": 4}}
    finish = stages(paper, {"scale": "none"}, {"scale": "auto"})
    assert finish["scale"] == Use("tanh", {"gamma": 2.0, "max_stride": 4.0})


def test_a_stage_replaces_the_papers_whole() -> None:
    finish = stages({"scale": {"use": "tanh", "max_stride": 4}}, {}, {"scale": {"use": "tanh", "gamma": 1}})
    assert finish["scale"] == Use("tanh", {"gamma": 1.0, "max_stride": None})


def test_a_paper_that_says_auto_gets_the_default() -> None:
    assert trials(methods="layer")["layer"].finish.fuse == Use("max")


def test_a_label_takes_over_the_options_of_the_same_plugin() -> None:
    by_label = trials(
        methods={
            "layer": {"finish": {"scale": {"use": "tanh", "max_stride": 8}}},
            "grad": {"finish": {"scale": "auto"}},
        },
        finish={"scale": {"use": "tanh", "gamma": 5}},
    )
    assert by_label["layer"].finish.scale == Use("tanh", {"gamma": 5.0, "max_stride": 8.0})
    assert by_label["grad"].finish.scale == Use("none")


def test_a_paper_that_asks_for_nothing_known_is_the_methods_fault() -> None:
    with pytest.raises(
        PluginContract, match=r"paper asks for: finish.scale.use: no scaler 'tahn'; did you mean 'tanh'"
    ):
        trials(methods="astray")
