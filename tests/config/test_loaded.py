"""A Config is read once; one that was changed is taken at its word."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from helpers.config_files import NEEDED
from helpers.fake_plugins import fake_registry
from xaikit.config import load, read_points
from xaikit.schema.keys import Use
from xaikit.schema.sections import Config, ReportConfig, SweepConfig

REGISTRY = fake_registry()
STATED = {
    **NEEDED,
    "methods": {"grad": {"finish": {"scale": "tanh"}}, "smooth": {"sizes": "${seed}"}},
    "finish": {"scale": {"use": "tanh", "gamma": 3}},
    "report": {"to": "runs/${name}"},
    "name": "night",
    "sweep": {"seed": [1, 2]},
}


def config(**more: Any) -> Config:
    return load({**STATED, **more}, registry=REGISTRY)


def sizes(config: Config) -> list[Any]:
    return [point.methods["smooth"].options["sizes"] for _, point in read_points(config, REGISTRY)]


def test_what_was_read_takes_no_part_in_comparisons_and_is_not_shown() -> None:
    one = config()
    assert replace(one, loaded=None) == one
    assert "loaded" not in repr(one)
    assert pickle.loads(pickle.dumps(one)) == one
    assert sizes(pickle.loads(pickle.dumps(one))) == [1, 2]


def test_a_config_is_not_read_again() -> None:
    one = config()
    assert load(one, registry=REGISTRY) is one


def test_loading_a_config_with_overrides_reads_what_was_written() -> None:
    again = load(config(sweep=None), ["seed=5"], REGISTRY)
    assert again == load({**STATED, "sweep": None}, ["seed=5"], REGISTRY)
    assert again.methods["smooth"].options["sizes"] == 5
    assert sizes(load(config(), axes=["seed=7,8"], registry=REGISTRY)) == [7, 8]


@pytest.mark.parametrize(
    "change",
    [
        {"device": "cpu"},
        {"name": "day"},
        {"budget": 3.0},
        {"report": ReportConfig(shard=3)},
        {"executor": Use("actors", {"workers": 3})},
        {"base": "elsewhere"},
    ],
)
def test_what_points_do_not_depend_on_may_be_replaced(change: dict[str, Any]) -> None:
    changed = replace(config(), **change)
    assert sizes(changed) == [1, 2]
    assert sizes(load(changed, registry=REGISTRY)) == [1, 2]
    assert load(changed, registry=REGISTRY) == changed
    ((key, value),) = change.items()
    assert [getattr(point, key) for _, point in read_points(changed, REGISTRY)] == [value, value]


def test_how_pictures_are_loaded_may_be_replaced() -> None:
    one = config()
    changed = replace(one, data=replace(one.data, batch_size=3, workers=2))
    assert sizes(changed) == [1, 2]
    assert load(changed, registry=REGISTRY) == changed


def test_a_config_that_was_changed_is_taken_at_its_word() -> None:
    one = config()
    changed = replace(one, seed=9)
    assert sizes(changed) == [0, 0]
    assert load(changed, registry=REGISTRY) == changed
    other = replace(one, methods={"grad": one.methods["grad"]})
    assert load(other, registry=REGISTRY) == other
    swept = replace(one, sweep=SweepConfig({"seed": (5, 6)}))
    assert [point.seed for _, point in read_points(swept, REGISTRY)] == [5, 6]
    assert sizes(swept) == [0, 0]


def test_what_others_look_up_is_not_replaced_behind_their_back() -> None:
    one = config(data={"source": "folder", "path": "${name}"})
    changed = replace(one, name="day")
    assert load(changed, registry=REGISTRY) == changed
    for again in (load(changed, registry=REGISTRY), load(changed, ["device=cpu"], REGISTRY)):
        assert (again.name, again.data.source.options["path"]) == ("day", "night")


def test_a_changed_config_remembers_where_its_values_came_from(write: Any, head: str) -> None:
    one = load(write(head + "methods: grad\nseed: 3\nsweep: {seed: [1, 2]}\n"), registry=REGISTRY)
    changed = load(replace(one, sweep=SweepConfig({"seed": (3,)})), ["device=cpu"], REGISTRY)
    assert changed.origins["seed"] == "c.yaml:4:1"
    assert changed.origins["device"] == "override 'device=cpu'"
