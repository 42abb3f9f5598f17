"""What is kept of what was written, and when it counts no more."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from config.conftest import NEEDED
from helpers.fake_plugins import fake_registry
from xaikit.config import Config, SweepConfig, load
from xaikit.config.faults import Faults
from xaikit.config.written import layer_behind, own_value

SAID = {
    **NEEDED,
    "methods": {"grad": {"finish": {"scale": "tanh"}}, "smooth": {"sizes": "${seed}"}},
    "finish": {"scale": {"use": "tanh", "gamma": 3}},
    "report": {"to": "runs/${name}"},
    "name": "night",
}


def config(**more: Any) -> Config:
    return load({**SAID, **more}, registry=fake_registry())


def test_it_takes_no_part_in_comparisons_and_is_not_shown() -> None:
    one = config()
    assert replace(one, written=None) == one
    assert "written" not in repr(one)
    assert pickle.loads(pickle.dumps(one)) == one


def test_loading_a_config_again_reads_what_was_written() -> None:
    again = load(config(), ["seed=5"], fake_registry())
    assert again == load(SAID, ["seed=5"], fake_registry())
    assert again.methods["smooth"].options["sizes"] == 5


@pytest.mark.parametrize(
    "change",
    [{"device": "cpu"}, {"name": "day"}, {"budget": 3.0}, {"sweep": SweepConfig({"seed": (1, 2)})}],
)
def test_what_points_do_not_depend_on_may_be_replaced(change: dict[str, Any]) -> None:
    changed = replace(config(), **change)
    layer = layer_behind(changed, Faults())
    assert layer.plain["methods"]["smooth"]["sizes"] == "${seed}"
    assert load(changed, registry=fake_registry()) == changed


def test_the_batch_size_may_be_replaced() -> None:
    one = config()
    changed = replace(one, data=replace(one.data, batch_size=3))
    assert layer_behind(changed, Faults()).plain["methods"]["smooth"]["sizes"] == "${seed}"
    assert load(changed, registry=fake_registry()) == changed


def test_a_config_that_was_changed_is_taken_at_its_word() -> None:
    one = config()
    changed = replace(one, seed=9)
    assert layer_behind(changed, Faults()).plain["methods"]["smooth"]["sizes"] == 0
    assert load(changed, registry=fake_registry()) == changed
    other = replace(one, methods={"grad": one.methods["grad"]})
    assert load(other, registry=fake_registry()) == other


def test_what_others_look_up_is_not_replaced_behind_their_back() -> None:
    one = config(data={"source": "folder", "path": "${name}"})
    changed = replace(one, name="day")
    assert load(changed, registry=fake_registry()) == changed
    assert load(changed, registry=fake_registry()).data.source.options["path"] == "night"


def test_a_sweep_that_was_replaced_has_no_place_in_the_file(write: Any, head: str) -> None:
    one = load(write(head + "methods: grad\nsweep: {seed: [1, 2]}\n"), registry=fake_registry())
    assert str(layer_behind(one, Faults()).marks["sweep", "seed"]) == "c.yaml:4:9"
    assert ("sweep", "seed") not in layer_behind(replace(one, sweep=SweepConfig({"seed": (3,)})), Faults()).marks


def test_what_a_config_says_at_a_key() -> None:
    one = config()
    assert own_value(one, "seed") == 0
    assert own_value(one, "layers") == ["auto"]
    assert own_value(one, "methods.smooth.n") == 4
    assert own_value(one, "finish.fuse") == {"use": "auto"}
    for key in ("methods.grad.n", "finish.fuse.gamma", "data.transform.size"):
        with pytest.raises(KeyError):
            own_value(one, key)
