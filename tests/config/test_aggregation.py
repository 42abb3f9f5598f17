"""How raw maps are taken: stated for all labels, or for one."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.errors import ConfigError
from xaikit.schema.sections import PLAIN, Aggregation, AugmentConfig
from xaikit.trials.expansion import expand


def manners(config: Any) -> dict[str, Aggregation]:
    (point,) = expand(config, fake_registry())
    return {trial.label: trial.aggregation for trial in point.trials}


def test_nothing_said_is_the_inputs_as_they_are_and_a_sum(say: Any) -> None:
    config = say()
    assert (config.augment, config.reduce) == (AugmentConfig(), "sum")
    assert manners(config) == {"grad": PLAIN}
    assert not PLAIN


def test_the_config_holds_where_a_label_states_nothing(say: Any) -> None:
    methods = {"grad": {}, "gain": {"use": "grad", "augment": {"gain": [0.5]}}, "bare": {"use": "grad", "augment": {}}}
    config = say(methods=methods, augment={"flip": True, "scale": [0.9, 1]}, reduce="principal")
    flip = AugmentConfig(flip=True, scale=(0.9, 1.0))
    assert manners(config) == {
        "grad": Aggregation(flip, "principal"),
        "gain": Aggregation(AugmentConfig(gain=(0.5,)), "principal"),
        "bare": Aggregation(AugmentConfig(), "principal"),
    }
    assert load(config.plain(), registry=fake_registry()) == config


def test_it_is_part_of_the_request_and_the_default_is_not(say: Any) -> None:
    methods = {
        "grad": {},
        "flipped": {"use": "grad", "augment": {"flip": True}},
        "sum": {"use": "grad", "reduce": "sum"},
    }
    (point,) = expand(say(methods=methods), fake_registry())
    plain, flipped, stated = (trial.request for trial in point.trials)
    assert plain == stated != flipped


def test_noise_makes_the_seed_matter(say: Any) -> None:
    def request(seed: int, noise: float) -> str:
        (point,) = expand(say(methods={"grad": {"augment": {"noise": noise}}}, seed=seed), fake_registry())
        return point.trials[0].request

    assert request(0, 0.1) != request(1, 0.1)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"augment": {"scal": [1]}}, "augment.scal: unknown key; did you mean 'scale'?"),
        ({"augment": {"scale": [0]}}, "augment.scale[0]: expected greater than 0, got 0"),
        ({"augment": {"scale": []}}, "augment.scale: expected a list of at least 1, got []"),
        ({"augment": {"draws": 2}}, "augment.draws: expected 1 without noise, got 2; add noise: 0.1"),
        ({"augment": "flip"}, "augment: expected a mapping, got 'flip'"),
        ({"reduce": "pca"}, "reduce: expected 'sum' or 'principal', got 'pca'; known: principal, sum"),
    ],
)
def test_faults_say_what_was_expected(faults: Any, values: Any, line: str) -> None:
    assert faults(**values) == (line,)


def test_it_can_be_swept(say: Any) -> None:
    config = say(sweep={"methods.grad.augment": [{}, {"flip": True}], "reduce": ["sum", "principal"]})
    aggregations = [
        (trial.aggregation.augment.flip, trial.aggregation.reduce)
        for point in expand(config, fake_registry())
        for trial in point.trials
    ]
    assert aggregations == [(False, "sum"), (False, "principal"), (True, "sum"), (True, "principal")]


def test_a_call_in_python_is_read_the_same_way() -> None:
    from xaikit.config.arguments import read_aggregation

    assert read_aggregation({"flip": True}, "principal") == Aggregation(AugmentConfig(flip=True), "principal")
    with pytest.raises(ConfigError, match="expected a mapping"):
        read_aggregation("flip", "sum")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("augment", "count", "clean"),
    [
        (AugmentConfig(), 1, True),
        (AugmentConfig(flip=True, scale=(0.9, 1.0, 1.1)), 6, True),
        (AugmentConfig(scale=(0.5,)), 1, False),
        (AugmentConfig(flip=True, noise=0.1, draws=3), 6, False),
    ],
)
def test_how_many_passes_take_the_place_of_one(augment: AugmentConfig, count: int, clean: bool) -> None:
    assert (augment.count, augment.has_clean) == (count, clean)
