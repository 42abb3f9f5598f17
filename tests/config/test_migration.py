"""Configs of earlier versions are brought to this one; a version that nobody knows is refused where it stands."""

from __future__ import annotations

from typing import Any

from xaikit.config.migration import STEPS, VERSION, migrate


def renamed(said: Any) -> dict[str, Any]:
    return {("layers" if key == "layer" else key): value for key, value in said.items()}


def doubled(said: Any) -> dict[str, Any]:
    return {**said, "seed": 2 * said["seed"]}


def test_steps_are_taken_one_after_the_other_from_the_version_that_is_said() -> None:
    steps = {1: renamed, 2: doubled}
    assert migrate({"version": 1, "layer": "a", "seed": 3}, steps, 3) == {"version": 3, "layers": "a", "seed": 6}
    assert migrate({"version": 2, "layer": "a", "seed": 3}, steps, 3) == {"version": 3, "layer": "a", "seed": 6}
    assert migrate({"version": 3, "layer": "a"}, steps, 3) == {"version": 3, "layer": "a"}


def test_without_a_version_it_is_this_one() -> None:
    assert migrate({"layer": "a"}, {1: renamed}, 2) == {"layer": "a"}


def test_a_version_without_a_way_is_left_to_be_refused(faults: Any) -> None:
    assert migrate({"version": 7}, {1: renamed}, 2) == {"version": 7}
    assert faults(version=7) == ("version: expected 1, got 7: update xaikit, or write version: 1",)


def test_the_first_version_needs_no_step() -> None:
    assert VERSION == 1
    assert STEPS == {}
