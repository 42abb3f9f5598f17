from __future__ import annotations

from typing import Any

import pytest

from xaikit.schema.keys import Use
from xaikit.schema.sections import MethodConfig


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("seed=3", "seed", 3),
        ("name=a=b", "name", "a=b"),
        ("name='3'", "name", "3"),
        ("layers=[a, b]", "layers", ("a", "b")),
        ("layers=a", "layers", ("a",)),
        ("layers[0]=x", "layers", ("x",)),
        ("layers.0=x", "layers", ("x",)),
        ("target=top3", "target", Use("top", {"k": 3})),
        ("target={use: classes, of: [1, 2]}", "target", Use("classes", {"of": [1, 2]})),
        (" seed =3", "seed", 3),
    ],
)
def test_values_are_yaml(say: Any, text: str, key: str, value: Any) -> None:
    assert getattr(say(text), key) == value


def test_elements_of_lists(say: Any) -> None:
    values = {"target": {"use": "classes", "of": [1, 2, 3]}, "layers": ["a", "b"]}
    config = say("target.of[1]=9", "layers.1=c", "layers[0]=d", **values)
    assert config.target.options["of"] == [1, 9, 3]
    assert config.layers == ("d", "c")
    assert values["layers"] == ["a", "b"]


def test_inside_an_element(faults: Any) -> None:
    assert faults(overrides=["layers[0]={name: a}", "layers[0].call=last"]) == (
        "override 'layers[0].call=last': layers[0].call: expected a mapping at layers[0], got 'a'",
    )
    assert faults(overrides=["layers[0].a=2"]) == (
        "override 'layers[0].a=2': layers[0].a: expected a mapping at layers[0], got 'auto'",
    )
    assert faults(overrides=["layers[0]=${nam}"]) == (
        "override 'layers[0]=${nam}': layers[0]: Interpolation key 'nam' not found; did you mean 'name'?",
    )


def test_an_override_reaches_into_a_shorthand(say: Any) -> None:
    config = say(
        "target.k=3",
        "methods.smooth.n=9",
        "finish.scale.gamma=3",
        target="top1",
        methods="smooth",
        finish={"scale": "tanh"},
    )
    assert config.target == Use("top", {"k": 3})
    assert config.methods["smooth"].options["n"] == 9
    assert config.finish.scale.options["gamma"] == 3.0


@pytest.mark.parametrize("turn", [1, -1])
def test_an_option_survives_the_change_of_its_plugin_in_either_order(say: Any, turn: int) -> None:
    texts = ["model.source=other", "model.name=vit"][::turn]
    assert say(*texts, model={"source": "zoo", "name": "a", "weights": "w"}).model.source == Use(
        "other", {"name": "vit", "weights": "DEFAULT"}
    )


def test_a_changed_plugin_loses_the_options_of_the_old_one(say: Any) -> None:
    config = say("methods.mine.use=grad", methods={"mine": {"use": "smooth", "n": 8}})
    assert config.methods == {"mine": MethodConfig("grad")}


def test_labels_come_and_go(say: Any) -> None:
    assert list(say("~methods.grad", "methods.layer={}", methods=["grad", "smooth"]).methods) == ["smooth", "layer"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed", "override 'seed': expected key=value, or ~key to drop a key, got 'seed'"),
        ("=3", "override '=3': expected a key such as a.b or a[0], got ''"),
        ("a..b=3", "override 'a..b=3': expected a key such as a.b or a[0], got 'a..b'"),
        ("sed=3", "override 'sed=3': sed: unknown key; did you mean 'seed'?"),
        ("model.nmae=x", "override 'model.nmae=x': model.nmae: unknown option of zoo; did you mean 'name'?"),
        ("data.batchsize=1", "override 'data.batchsize=1': data.batchsize: unknown option of folder; did you mean 'batch_size'?"),
        ("methods.grd.layers=a", "override 'methods.grd.layers=a': methods.grd: no method 'grd'; did you mean 'grad'?"),
        ("seed=x", "override 'seed=x': seed: expected an integer, got 'x'"),
        ("seed=", "override 'seed=': seed: expected an integer, got null"),
        ("name=off", "override 'name=off': name: expected a string, got false; YAML reads off as a boolean: quote it, \"off\""),
        ("layers[1]=x", "override 'layers[1]=x': layers[1]: expected an index below 1, got 1"),
        ("seed[0]=x", "override 'seed[0]=x': seed[0]: expected a list at seed, got 0"),
        ("~methods.gard", "override '~methods.gard': methods.gard: nothing to drop; did you mean 'methods.grad'?"),
    ],
)  # fmt: skip
def test_faults_name_the_override(faults: Any, text: str, line: str) -> None:
    assert faults(overrides=[text]) == (line,)


def test_a_value_that_is_no_yaml(faults: Any) -> None:
    (line,) = faults(overrides=["layers=[a"])
    assert line.startswith("override 'layers=[a': layers: the value is not valid YAML: ")


def test_options_without_a_plugin(faults: Any) -> None:
    expected = "target: expected the name of a target, got {'k': 3}; add use: classes, label, logit, top"
    assert faults(overrides=["target.k=3"]) == (f"override 'target.k=3': {expected}",)
