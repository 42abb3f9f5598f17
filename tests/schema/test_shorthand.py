from __future__ import annotations

from typing import Any

import pytest

from xaikit.schema.keys import Use
from xaikit.schema.sections import MethodConfig


@pytest.mark.parametrize(
    ("value", "use"),
    [
        ("top1", Use("top", {"k": 1})),
        ("top5", Use("top", {"k": 5})),
        (281, Use("logit", {"index": 281})),
        ("label", Use("label")),
        ({"use": "classes", "of": [1, 2]}, Use("classes", {"of": [1, 2]})),
        ({"use": "classes", "of": (1, 2)}, Use("classes", {"of": [1, 2]})),
    ],
)
def test_targets(say: Any, value: Any, use: Use) -> None:
    assert say(target=value).target == use
    assert say(methods={"grad": {"target": value}}).methods["grad"].target == use


def test_methods_by_name_by_list_and_by_label(say: Any) -> None:
    both = {"grad": MethodConfig("grad"), "layer": MethodConfig("layer")}
    assert say(methods="grad").methods == {"grad": both["grad"]}
    assert say(methods=["grad", "layer"]).methods == both
    assert say(methods={"grad": None, "layer": {}}).methods == both
    assert say(methods={"mine": "grad"}).methods == {"mine": MethodConfig("grad")}
    assert say(methods={"mine": {"use": "layer"}}).methods == {"mine": MethodConfig("layer")}


def test_layers_and_stages(say: Any) -> None:
    config = say(layers="a", finish={"scale": "tanh", "resize": [3, 4], "fuse": "none"})
    assert config.layers == ("a",)
    assert config.finish.scale == Use("tanh", {"gamma": 2.0, "max_stride": None})
    assert config.finish.resize == Use("size", {"to": [3, 4]})
    assert config.finish.fuse == Use("none")


def test_a_layer_said_at_length_is_one_string(say: Any) -> None:
    config = say(layers=["a", {"name": "b", "call": "last"}, {"name": "c", "at": "consumed"}])
    assert config.layers == ("a", "b@last", "c+")
    assert say(layers={"name": "b", "call": "first"}).layers == ("b@first",)


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ({"name": "b", "cal": "last"}, "layers[0]: unknown key 'cal' of a layer; did you mean 'call'?"),
        (
            {"name": "b", "call": "second"},
            "layers[0]: call: expected first or last, got 'second'; a call may be said by its number too, from 1",
        ),
        ({"call": "last"}, "layers[0]: expected a layer's name, got {'call': 'last'}; add name: ..."),
    ],
)
def test_what_a_layer_does_not_have_is_refused(faults: Any, layer: Any, line: str) -> None:
    assert faults(layers=[layer]) == (line,)


def test_null_is_nothing_said(say: Any) -> None:
    assert say(report=None, finish=None, methods={"grad": {"target": None, "layers": None, "finish": None}}) == say()


def test_a_name_alone_is_no_model_and_no_data(faults: Any) -> None:
    assert faults(model="resnet50", data="images") == (
        "model: expected a mapping, got 'resnet50'; write model: {source: torchvision, name: resnet50}",
        "data: expected a mapping, got 'images'; write data: {source: folder, path: images}",
    )


def test_several_indices_are_classes(faults: Any) -> None:
    assert faults(target=[243, 281]) == (
        "target: expected one target, got [243, 281]; write {use: classes, of: [243, 281]}",
    )


def test_a_list_of_methods_holds_names(faults: Any) -> None:
    assert faults(methods=["grad", {"use": "layer"}, "grad"]) == (
        "methods[1]: expected a method's name, got {'use': 'layer'}; write methods: {label: {...}}",
        "methods[2]: 'grad' stands twice; write methods: {label: {use: grad}}",
    )


def test_what_stands_for_no_plugin(faults: Any) -> None:
    assert faults(methods={"grad": 3}, finish={"fuse": 2}, report=[], target=True) == (
        "methods.grad: expected a plugin's name or a mapping, got 3",
        "finish.fuse: expected a plugin's name or a mapping, got 2",
        "report: expected a mapping, got []",
        'target: expected a plugin\'s name or a mapping, got true; YAML reads true as a boolean: quote it, "true"',
    )
