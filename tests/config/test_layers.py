from __future__ import annotations

from typing import Any

from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.config.layers import Layer, merge
from xaikit.schema.keys import Use
from xaikit.schema.sections import MethodConfig


def test_mappings_merge_and_lists_replace(write: Any, head: str) -> None:
    write(head + "layers: [a, b]\nmethods: {smooth: {n: 8, std: 2}, grad: }\nseed: 1\n", "base.yaml")
    config = load(write("extends: base.yaml\nlayers: [c]\nmethods: {smooth: {n: 9}}\n"), registry=fake_registry())
    assert config.layers == ("c",)
    assert config.seed == 1
    assert list(config.methods) == ["smooth", "grad"]
    assert config.methods["smooth"].options["n"] == 9
    assert config.methods["smooth"].options["std"] == 2.0


def test_a_changed_use_replaces(write: Any, head: str) -> None:
    write(head + "target: top3\nmethods: {mine: {use: smooth, n: 8}, grad: {layers: a}}\n", "base.yaml")
    text = "extends: base.yaml\nmodel: {source: other, name: vit}\ntarget: 3\n"
    config = load(write(text + "methods: {mine: {use: grad}, grad: {use: layer}}\n"), registry=fake_registry())
    assert config.methods == {"mine": MethodConfig("grad"), "grad": MethodConfig("layer")}
    assert config.target == Use("logit", {"index": 3})
    assert config.model.source == Use("other", {"name": "vit", "weights": "DEFAULT"})


def test_the_same_use_merges_whether_stated_or_not(write: Any, head: str) -> None:
    write(head + "target: top3\nmethods: {smooth: {n: 8}, mine: {use: smooth, n: 7}}\n", "base.yaml")
    text = "extends: base.yaml\nmethods: {smooth: {use: smooth, std: 2}, mine: {std: 2}}\n"
    methods = load(write(text), registry=fake_registry()).methods
    assert [(method.options["n"], method.options["std"]) for method in methods.values()] == [(8, 2.0), (7, 2.0)]


def test_a_method_list_over_a_method_mapping_adds(write: Any, head: str) -> None:
    write(head + "methods: {smooth: {n: 8}}\n", "base.yaml")
    methods = load(write("extends: base.yaml\nmethods: [smooth, grad]\n"), registry=fake_registry()).methods
    assert methods["smooth"].options["n"] == 8
    assert list(methods) == ["smooth", "grad"]


def test_later_files_win_and_the_file_itself_wins_over_all(write: Any, head: str) -> None:
    write(head + "methods: grad\nseed: 1\ndevice: cpu\nname: one\n", "sub/one.yaml")
    write("extends: one.yaml\nseed: 2\ndevice: cuda\n", "sub/two.yaml")
    config = load(write("extends: [sub/one.yaml, sub/two.yaml]\nseed: 3\n"), registry=fake_registry())
    assert (config.seed, config.device, config.name) == (3, "cuda", "one")
    assert config.origins["device"] == "sub/two.yaml:3:1"


def test_a_label_is_dropped(write: Any, head: str) -> None:
    write(head + "methods: {smooth: {n: 8}, grad: }\n", "base.yaml")
    file = write("extends: base.yaml\n~methods.smooth:\n")
    assert list(load(file, registry=fake_registry()).methods) == ["grad"]


def test_a_dropped_label_can_be_said_anew(write: Any, head: str) -> None:
    write(head + "methods: {smooth: {n: 8, std: 2}, grad: }\n", "base.yaml")
    file = write("extends: base.yaml\n~methods.smooth:\nmethods: {smooth: {n: 9}}\n")
    assert load(file, registry=fake_registry()).methods["smooth"].options["std"] == 1.0


def test_dropping_nothing_is_a_fault(write: Any, faults: Any, head: str) -> None:
    write(head + "methods: {smooth: , grad: }\n", "base.yaml")
    assert faults(write("extends: base.yaml\n~methods.smoth:\n~methods.grad: 3\n")) == (
        "c.yaml:2:1: methods.smoth: nothing to drop; did you mean 'methods.smooth' or 'methods.grad'?",
        "c.yaml:3:1: ~methods.grad: expected nothing after '~methods.grad:'; it drops an inherited key",
    )


def test_values_have_to_be_plain(faults: Any) -> None:
    lines = faults(layers=[object()], methods={"smooth": {"note": {1}, 3: 4}})
    assert lines[:2] == (
        "methods.smooth: expected a string as a key, got 3",
        "methods.smooth.note: expected a plain value, got {1} (set)",
    )
    assert lines[2].startswith("layers[0]: expected a plain value, got <object object at ")
    assert len(lines) == 3


def test_merging_changes_neither_layer() -> None:
    below, above = Layer({"a": {"b": [1]}}), Layer({"a": {"b": [2]}})
    assert merge(below, above, []).plain == {"a": {"b": [2]}}
    assert (below, above) == (Layer({"a": {"b": [1]}}), Layer({"a": {"b": [2]}}))
