from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xaikit
from helpers.config_files import NEEDED
from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.config.overrides import split_axes
from xaikit.errors import ConfigError
from xaikit.schema.sections import Config


def swept(*axes: str, **values: Any) -> Config:
    return load({**NEEDED, **values}, (), fake_registry(), axes)


@pytest.mark.parametrize(
    ("text", "is_axis"),
    [
        ("methods.sharp.top_channels=16,64", True),
        ("layers=[layer3],[layer3,layer4]", True),
        ("seed=0..4", True),
        ("seed= -1..4 ", True),
        ("seed=1,", True),
        ("target={use: top, k: 2},5", True),
        ("methods.a.note='a,b',c", True),
        ("methods.a.note=it's,b", True),
        ("seed=3", False),
        ("device=cpu", False),
        ("layers=[layer3,layer4]", False),
        ("target={use: classes, of: [1, 2]}", False),
        ("methods.a.note='a,b'", False),
        ('methods.a.note="a\\",b"', False),
        ("methods.a.note='it''s, b'", False),
        ("layers=[a,b", False),
        ("data.path=a..b", False),
        ("~methods.a", False),
        ("a,b", False),
        ("sweep.seed=0..4", False),
        ("sweep.zip={seed: [1, 2]},", False),
        ("sweeping=1,2", True),
    ],
)
def test_axes_are_told_from_overrides(text: str, is_axis: bool) -> None:
    assert split_axes([text]) == (((), (text,)) if is_axis else ((text,), ()))


def test_both_keep_their_order() -> None:
    texts = ["b=1", "seed=1,2", "a=2", "layers=a,b"]
    assert split_axes(texts) == (("b=1", "a=2"), ("seed=1,2", "layers=a,b"))


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("seed=1,2,5", "seed", (1, 2, 5)),
        ("seed=0..3", "seed", (0, 1, 2, 3)),
        (" seed = 4 , 5", "seed", (4, 5)),
        ("seed=7,", "seed", (7,)),
        ("layers=[a],[a, b],c", "layers", (["a"], ["a", "b"], ["c"])),
        ("target=top2,3", "target", ({"use": "top", "k": 2}, {"use": "logit", "index": 3})),
        ("methods.smooth.note='a,b',c", "methods.smooth.note", ("a,b", "c")),
        ('methods.smooth.note="a,\\"",c', "methods.smooth.note", ('a,"', "c")),
        ("methods.smooth.note=,a", "methods.smooth.note", (None, "a")),
        ("finish.scale=tanh,{use: tanh, gamma: 3}", "finish.scale", ({"use": "tanh"}, {"use": "tanh", "gamma": 3})),
    ],
)
def test_values_are_yaml_and_settled(text: str, key: str, values: Any) -> None:
    assert swept(text, methods="smooth").sweep.axes == {key: values}


def test_an_axis_replaces_the_same_one_and_leaves_the_others() -> None:
    sweep = {"seed": [1, 2], "layers": ["a", "b"], "exclude": {"seed": 2}}
    merged = swept("seed=2..3", "methods.grad.layers=c,", sweep=sweep).sweep
    assert merged.axes == {"seed": (2, 3), "layers": (["a"], ["b"]), "methods.grad.layers": (["c"],)}
    assert merged.exclude == ({"seed": (2,)},)
    assert list(merged.axes) == ["seed", "layers", "methods.grad.layers"]


def test_the_last_of_two_wins_as_with_overrides() -> None:
    assert swept("seed=1,2", "seed=3,4").sweep.axes == {"seed": (3, 4)}


def test_where_they_came_from() -> None:
    assert swept("seed=1,2").origins["sweep.seed"] == "axis 'seed=1,2'"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed=1,x", "axis 'seed=1,x': sweep.seed[1]: expected an integer, got 'x'"),
        ("seed=1,1", "axis 'seed=1,1': sweep.seed[1]: stands twice; first as sweep.seed[0]"),
        (
            "seed=3..1",
            "axis 'seed=3..1': sweep.seed: expected a range that goes up, by at most 1000000 values, got 3..1",
        ),
        ("name=a,b", "axis 'name=a,b': sweep.name: changes no map; write name: ..."),
        ("sed=1,2", "axis 'sed=1,2': sweep.sed: unknown key; did you mean 'seed'?"),
        ("a..b=1,2", "axis 'a..b=1,2': expected key=value,value or key=0..4, got 'a..b=1,2'"),
        ("seed", "axis 'seed': expected key=value,value or key=0..4, got 'seed'"),
        (
            "model.nam=a,b",
            "axis 'model.nam=a,b': sweep.model.nam: unknown option of zoo; did you mean 'name'?",
        ),
    ],
)
def test_faults_name_the_axis(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        swept(text)
    assert caught.value.problems == (line,)


def test_values_that_are_no_yaml() -> None:
    with pytest.raises(ConfigError, match=r"^axis 'layers=a,\[b': sweep.layers: the values are not valid YAML: "):
        swept("layers=a,[b")


def test_an_axis_of_a_zip_is_not_replaced() -> None:
    with pytest.raises(ConfigError, match=r"zip\[0\].seed: stands twice; first as sweep.seed"):
        swept("seed=1,2", sweep={"zip": {"seed": [1, 2], "layers": ["a", "b"]}})


NOTES = st.lists(st.text("ab,'\"[]{}:# \\", max_size=6), min_size=2, max_size=4, unique=True)


@given(NOTES)
def test_any_values_come_through_as_they_are(notes: list[str]) -> None:
    text = "methods.smooth.note=" + ",".join(json.dumps(note) for note in notes)
    assert split_axes([text]) == ((), (text,))
    assert swept(text, methods="smooth").sweep.axes["methods.smooth.note"] == tuple(notes)


@pytest.mark.parametrize("stated", [{"overrides": "seed=1"}, {"axes": "seed=1,2"}])
def test_a_text_is_no_list_of_overrides(stated: dict[str, Any]) -> None:
    sources = {"model": {"source": "samples"}, "data": {"source": "samples"}, "methods": "gradcam"}
    for call in (xaikit.load, xaikit.run, xaikit.plan):
        with pytest.raises(xaikit.ConfigError, match=r"^expected a list of overrides, got 'seed=1.*'; write \['seed=1"):
            call(sources, **stated)
