from __future__ import annotations

from typing import Any

import pytest

from xaikit.config.interpolation import ANYTHING, is_interpolated, references
from xaikit.schema.keys import Use


def test_values_stand_for_others(say: Any) -> None:
    config = say(
        seed=7,
        name="n${seed}",
        target=3,
        report={"to": "runs/${name}/${model.name}"},
        methods={"smooth": {"n": "${seed}", "target": "${target}"}, "grad": {"layers": "${layers}"}},
    )
    assert config.report.to == "runs/n7/resnet"
    assert config.methods["smooth"].options["n"] == 7
    assert config.methods["smooth"].target == Use("logit", {"index": 3})
    assert config.methods["grad"].layers == ("auto",)


def test_what_stands_for_shorthand_is_settled(say: Any) -> None:
    assert say(name="top4", target="${name}").target == Use("top", {"k": 4})


def test_the_environment(say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIKIT_SEED", "11")
    assert say(seed="${oc.env:XAIKIT_SEED,3}").seed == 11
    monkeypatch.delenv("XAIKIT_SEED")
    assert say(seed="${oc.env:XAIKIT_SEED,3}").seed == 3


def test_what_stands_for_nothing_is_named_at_its_place(write: Any, faults: Any, head: str) -> None:
    text = 'methods: grad\nseed: ${sead}\nlayers: [a, "${modle.name}"]\nname: ${oc.env:XAIKIT_NO}\ndevice: ${no:1}\n'
    assert faults(write(head + text)) == (
        "c.yaml:4:1: seed: Interpolation key 'sead' not found; did you mean 'seed'?",
        "c.yaml:5:13: layers[1]: Interpolation key 'modle.name' not found; did you mean 'model.name'?",
        "c.yaml:6:1: name: Environment variable 'XAIKIT_NO' not found",
        "c.yaml:7:1: device: Unsupported interpolation type no",
    )


def test_what_never_ends(faults: Any) -> None:
    lines = faults(name="${device}", device="${name}", methods={"grad": {"target": "${methods}"}})
    assert sorted(line.split(":")[0] for line in lines) == ["device", "methods.grad.target", "name"]


def test_broken_braces(write: Any, faults: Any, head: str) -> None:
    (line,) = faults(write(head + "methods: grad\nname: '${seed'\n"))
    assert line.startswith("c.yaml:4:1: name: not an interpolation: '${seed' (")


def test_a_required_option_that_stands_for_nothing_is_named_once(faults: Any) -> None:
    assert faults(model={"source": "zoo", "name": "${nmae}"}) == (
        "model.name: Interpolation key 'nmae' not found; did you mean 'name'?",
    )


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        ("plain", set()),
        ("${seed}", {"seed"}),
        ("${ model.name }/${seed}", {"model", "seed"}),
        ("${layers[0]}", {"layers"}),
        ({"a": ["${name}", {"b": "x${data.path}"}]}, {"name", "data"}),
        ("${oc.env:HOME}", set()),
        ("${oc.env:HOME,x}/${seed}", {"seed"}),
        ("${.n}", {ANYTHING}),
        ("${..n}", {ANYTHING}),
        ("${oc.select:seed}", {ANYTHING}),
        ("${model.${name}}", {ANYTHING}),
        ("${oc.env:X,${seed}}", {ANYTHING}),
        (3, set()),
    ],
)
def test_what_interpolations_look_up(value: Any, keys: set[str]) -> None:
    assert references(value) == keys
    assert is_interpolated(value) == ("${" in str(value))
