"""``metrics:`` of a config: labels, suites, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.runs import config
from xaikit.registry import Registry
from xaikit.registry.declarations import suites_of


def loaded(folder: Path, metrics: Any, **changes: Any) -> xaikit.Config:
    return xaikit.load(config(folder, metrics=metrics, **changes))


def suite(word: str) -> set[str]:
    registry = Registry()
    return {name for name in registry.names("metric") if word in suites_of(registry.find("metric", name).cls)}


@pytest.mark.parametrize("metrics", ["srg", ["srg"], {"srg": None}, {"srg": {}}])
def test_a_metric_is_said_as_a_method_is(tmp_path: Path, metrics: Any) -> None:
    (label,) = loaded(tmp_path, metrics).metrics
    assert label == "srg"
    assert loaded(tmp_path, metrics).metrics["srg"].options["steps"] == 14


def test_the_word_of_a_suite_stands_for_its_metrics(tmp_path: Path) -> None:
    assert (
        set(loaded(tmp_path, "quick").metrics) == suite("quick") >= {"srg", "averagedrop", "randomlogit", "sparseness"}
    )
    assert suite("quick") < suite("full") == set(loaded(tmp_path, "full").metrics)
    both = loaded(tmp_path, {"quick": {}, "srg": {"steps": 7}, "mine": {"use": "srg", "steps": 3}}).metrics
    assert (both["srg"].options["steps"], both["mine"].options["steps"]) == (7, 3)
    assert set(both) == {*suite("quick"), "mine"}


def test_a_config_says_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    one = loaded(tmp_path, {"srg": {"steps": 7}}, controls=False)
    assert xaikit.load(one.plain()) == one
    assert "metrics" not in loaded(tmp_path, {}).plain()


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ("qick", "metrics.qick: no metric 'qick'"),
        ({"srg": {"stepz": 7}}, "metrics.srg.stepz: unknown option of srg; did you mean 'steps'?"),
        ({"srg": {"steps": 0}}, "metrics.srg.steps: expected 1 or more, got 0"),
        ({"srg": {"imputer": "blak"}}, "metrics.srg.imputer: expected"),
        (["srg", "srg"], "metrics[1]: 'srg' stands twice; write metrics: {label: {use: srg}}"),
        ([3], "metrics[0]: expected a metric's name, got 3; write metrics: {label: {...}}"),
    ],
)
def test_faults_are_named_at_their_place(tmp_path: Path, metrics: Any, line: str) -> None:
    with pytest.raises(xaikit.ConfigError) as error:
        loaded(tmp_path, metrics)
    assert line in str(error.value)


def test_a_metric_is_stated_once(tmp_path: Path) -> None:
    with pytest.raises(xaikit.ConfigError, match=r"metrics\.two: is the same metric as 'one'; give it other options"):
        loaded(tmp_path, {"one": {"use": "sparseness"}, "two": {"use": "sparseness", "reads": "rectified"}})
    assert set(loaded(tmp_path, {"one": {"use": "srg"}, "two": {"use": "srg", "steps": 3}}).metrics) == {"one", "two"}


def test_a_label_that_states_a_metric_of_a_suite_takes_its_place(tmp_path: Path) -> None:
    metrics = loaded(tmp_path, {"quick": {}, "mine": {"use": "srg"}}).metrics
    assert set(metrics) == {*suite("quick"), "mine"} - {"srg"}
