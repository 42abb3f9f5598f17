from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.trials.expansion import expand
from xaikit.trials.placement import Group, NamedTrial, Point, groups, uncollected

REGISTRY = fake_registry()
NEEDED = {"model": {"source": "zoo", "name": "resnet"}, "data": {"source": "folder", "path": "x"}, "methods": "grad"}


def points(sweep: Any = None, **stated: Any) -> tuple[Point, ...]:
    return expand(load({**NEEDED, **stated, "sweep": sweep}, registry=REGISTRY), REGISTRY)


def placed(sweep: Any = None, **stated: Any) -> list[NamedTrial]:
    return [each for group in groups(points(sweep, **stated)) for each in group.placed]


def names(sweep: Any = None, **stated: Any) -> list[str]:
    return [each.name for each in placed(sweep, **stated)]


# --- groups


def test_without_a_sweep_there_is_one_group_and_labels_are_names() -> None:
    (group,) = groups(points(methods=["grad", "smooth"]))
    assert [(each.name, each.where, each.trial.label) for each in group.placed] == [
        ("grad", {}, "grad"),
        ("smooth", {}, "smooth"),
    ]
    assert group.model.source.options["name"] == "resnet"


def test_one_group_for_each_model_on_each_data() -> None:
    grouped = groups(points({"model.name": ["a", "b"], "data.path": ["x", "y"], "seed": [1, 2]}, methods="smooth"))
    assert [(group.model.source.options["name"], group.data.source.options["path"]) for group in grouped] == [
        ("a", "x"),
        ("a", "y"),
        ("b", "x"),
        ("b", "y"),
    ]
    assert [len(group.placed) for group in grouped] == [2, 2, 2, 2]


def test_how_many_go_through_at_once_makes_no_group() -> None:
    (one,) = points(methods="smooth")
    other = replace(one, data=replace(one.data, batch_size=1, workers=3))
    (group,) = groups([one, other])
    assert group.data is one.data
    assert len(group.placed) == 1


def test_a_trial_stands_once_though_many_points_have_it() -> None:
    named = placed({"seed": "0..4", "methods.smooth.n": [2, 3]}, methods=["grad", "smooth"])
    assert [(each.name, each.where) for each in named if each.trial.label == "grad"] == [("grad", {})]
    smooth = [each for each in named if each.trial.label == "smooth"]
    assert len(smooth) == 10
    assert smooth[1].where == {"seed": 0, "methods.smooth.n": 3}
    assert [each.trial.label for each in named][:2] == ["grad", "smooth"]


def test_two_labels_of_one_trial_stay_two() -> None:
    named = placed(methods={"a": "grad", "b": "grad"})
    assert [each.name for each in named] == ["a", "b"]
    assert named[0].trial.id == named[1].trial.id


def test_a_finish_that_one_label_does_not_take_is_nothing_to_it() -> None:
    named = placed(
        {"methods.grad.finish.scale.gamma": [1, 2]},
        methods={"grad": {"finish": {"scale": "tanh"}}, "layer": None},
    )
    assert [(each.name, each.where) for each in named] == [
        ("grad (finish.scale.gamma=1)", {"methods.grad.finish.scale.gamma": 1}),
        ("layer", {}),
        ("grad (finish.scale.gamma=2)", {"methods.grad.finish.scale.gamma": 2}),
    ]
    assert named[0].trial.evidence == named[2].trial.evidence


# --- names


def test_names_say_what_tells_trials_apart() -> None:
    assert names({"methods.smooth.n": [16, 64], "layers": [["layer3"], ["layer3", "layer4"]]}, methods="smooth") == [
        "smooth (n=16, layers=[layer3])",
        "smooth (n=16, layers=[layer3, layer4])",
        "smooth (n=64, layers=[layer3])",
        "smooth (n=64, layers=[layer3, layer4])",
    ]


def test_what_all_trials_of_a_label_have_in_common_is_not_in_their_names() -> None:
    named = placed({"seed": [7], "methods.smooth.n": [2, 3]}, methods=["grad", "smooth"])
    assert [each.name for each in named] == ["grad", "smooth (n=2)", "smooth (n=3)"]
    assert named[1].where == {"methods.smooth.n": 2}


def test_the_key_of_another_label_is_written_in_full() -> None:
    texts = names({"zip": {"methods.smooth.n": [2, 3], "layers": ["a", "b"]}}, methods=["grad", "smooth"])
    assert texts == [
        "grad (methods.smooth.n=2, layers=[a])",
        "smooth (n=2, layers=[a])",
        "grad (methods.smooth.n=3, layers=[b])",
        "smooth (n=3, layers=[b])",
    ]


def test_models_stand_in_names() -> None:
    assert names({"model.name": ["a", "b"]}) == ["grad (model.name=a)", "grad (model.name=b)"]


def test_values_are_yaml() -> None:
    texts = names({"target": ["top2", 5, "label"], "methods.grad.layers": ["a", None]})
    assert texts[:3] == [
        "grad (target={use: top, k: 2}, layers=[a])",
        "grad (target={use: top, k: 2}, layers=null)",
        "grad (target={use: logit, index: 5}, layers=[a])",
    ]
    assert texts[-1] == "grad (target=label, layers=null)"


def test_names_of_included_points() -> None:
    assert names({"layers": ["a", "b"], "include": {"seed": 9, "layers": "a"}}, methods="smooth") == [
        "smooth (layers=[a], seed=0)",
        "smooth (layers=[b], seed=0)",
        "smooth (layers=[a], seed=9)",
    ]


def crossed() -> list[Point]:
    """Two trials of one label that have no axis of their own."""
    a, b = (points(methods="smooth", seed=seed)[0].trials for seed in (1, 2))
    (one,) = points()
    corners = [("x", "x", a), ("x", "y", b), ("y", "x", b), ("y", "y", a)]
    return [replace(one, where={"p": p, "q": q}, trials=trials) for p, q, trials in corners]


def test_where_nothing_tells_them_apart_the_first_point_does() -> None:
    (group,) = groups(crossed())
    assert [(each.name, each.where) for each in group.placed] == [("smooth (p=x, q=x)", {}), ("smooth (p=x, q=y)", {})]


def test_names_are_numbered_where_nothing_else_is_left() -> None:
    one, other, *_ = crossed()
    (group,) = groups([replace(one, where={}), replace(other, where={})])
    assert [each.name for each in group.placed] == ["smooth", "smooth #2"]
    label = "grad (layers=[a])"
    assert names({"layers": ["a", "b"]}, methods={label: {"use": "grad", "layers": "c"}, "grad": None}) == [
        label,
        f"{label} #2",
        "grad (layers=[b])",
    ]


def test_equal_values_that_are_not_the_same_object_are_one_value() -> None:
    one = crossed()[0]
    (group,) = groups([replace(one, where={"p": [1], "q": 1}), replace(one, where={"p": [1.0], "q": 2})])
    assert [(each.name, each.where) for each in group.placed] == [("smooth", {})]


# --- what holds always

INCLUDED = st.fixed_dictionaries({"target": st.integers(0, 1)}, optional={"seed": st.integers(0, 9)})
SWEEPS = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True),
        "layers": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2, unique=True),
        "methods.smooth.n": st.lists(st.integers(2, 5), min_size=1, max_size=3, unique=True),
        "model.name": st.lists(st.sampled_from(["r", "s"]), min_size=1, unique=True),
        "finish.fuse": st.lists(st.sampled_from(["max", "mean"]), min_size=1, unique=True),
        "include": st.lists(INCLUDED, max_size=2),
    },
)


def flat(grouped: tuple[Group, ...]) -> list[NamedTrial]:
    return [each for group in grouped for each in group.placed]


@settings(deadline=None)
@given(SWEEPS)
def test_every_point_finds_its_trials_under_one_name(sweep: Any) -> None:
    every = points(sweep, methods=["grad", "smooth"])
    grouped = groups(every)
    assert len({each.name for each in flat(grouped)}) == len(flat(grouped))
    for point in every:
        (group,) = [each for each in grouped if (each.model, each.data) == (point.model, point.data)]
        for trial in point.trials:
            (mine,) = [each for each in group.placed if (each.trial.label, each.trial.id) == (trial.label, trial.id)]
            assert mine.where.items() <= point.where.items()
    assert {(each.trial.label, each.trial.id) for each in flat(grouped)} == {
        (trial.label, trial.id) for point in every for trial in point.trials
    }


@settings(deadline=None, max_examples=30)
@given(SWEEPS, st.sampled_from(["layer", "smooth"]))
def test_another_label_or_another_name_changes_no_id(sweep: Any, use: str) -> None:
    before = placed(sweep, methods=["grad", "smooth"])
    after = placed(sweep, methods={"grad": None, "more": use, "smooth": None}, name="other", executor="actors")
    others = [each for each in after if each.trial.label != "more"]
    assert [(each.trial.id, each.name, each.where) for each in others] == [
        (each.trial.id, each.name, each.where) for each in before
    ]


def test_cycles_are_looked_for_again_afterwards() -> None:
    def broken() -> None:
        with uncollected():
            assert not gc.isenabled()
            raise KeyError

    assert gc.isenabled()
    with pytest.raises(KeyError):
        broken()
    assert gc.isenabled()
    gc.disable()
    try:
        groups(points())
        assert not gc.isenabled()
    finally:
        gc.enable()
