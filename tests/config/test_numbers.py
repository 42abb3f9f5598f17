"""Numbers that no tensor, table or JSON takes are refused wherever a config says them."""

from __future__ import annotations

from typing import Any

import pytest

import xaikit
from xaikit.config import load
from xaikit.config.arguments import read_methods
from xaikit.errors import ConfigError, XaikitError
from xaikit.registry import KINDS, Registry
from xaikit.schema.keys import keys_of

SOURCES: dict[str, Any] = {"model": {"source": "samples"}, "data": {"source": "samples"}, "methods": "gradcam"}
HUGE = 99999999999999999999


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"seed={2**63}", f"seed: expected a finite number of 64 bits, got {2**63}"),
        (f"seed='{2**63}'", "seed: expected a finite number of 64 bits"),
        (f"target={HUGE}", "target: expected a finite number of 64 bits"),
        (f"target={{use: logit, index: {HUGE}}}", "target.index: expected a finite number of 64 bits"),
        (f"target={{use: classes, of: [1, {HUGE}]}}", "target.of[1]: expected a finite number of 64 bits"),
        (f"target={{use: top, k: -{HUGE}}}", "target.k: expected a finite number of 64 bits"),
        ("methods={smoothgradcampp: {std: .nan}}", "methods.smoothgradcampp.std: expected a finite number"),
        ("methods={smoothgradcampp: {std: 'nan'}}", "methods.smoothgradcampp.std: expected a finite number"),
        ("augment={gain: [1, .inf]}", "augment.gain[1]: expected a finite number"),
        ("data.transform={std: [0, 0, 0]}", "data.transform.std[0]: expected greater than 0, got 0"),
        ("data.transform={mean: [.nan, 0, 0]}", "data.transform.mean[0]: expected a finite number"),
        ("data.transform={size: 1000000000}", "data.transform"),
        ("data.transform={crop: [1000000000, 2]}", "data.transform"),
        ("executor={use: serial, threads: -3}", "executor.threads: expected greater than or equal to 1, got -3"),
        ("executor={use: serial, threads: 1000000000}", "executor.threads: expected less than or equal to 1024"),
        ("executor={use: ray, threads: -3}", "executor.threads: expected greater than or equal to 1, got -3"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_its_key(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(SOURCES, [override])
    assert message in str(error.value)


def _float_options() -> list[tuple[str, str, str]]:
    registry = Registry()
    return [
        (kind, name, option)
        for kind in KINDS
        for name in registry.names(kind)
        for option, key in keys_of(registry.find(kind, name).cls).items()
        if "float" in str(key.hint)
    ]


def test_no_option_of_a_plugin_takes_what_is_no_number() -> None:
    options = [each for each in _float_options() if each[0] == "method"]
    assert ("method", "smoothgradcampp", "std") in options
    for _, name, option in options:
        for value in (float("nan"), float("inf"), -float("inf"), "nan", "inf"):
            with pytest.raises(XaikitError, match=rf"{option}: expected a finite number of 64 bits"):
                read_methods({name: {option: value}}, Registry())


def test_a_sweep_of_such_numbers_is_refused_as_well() -> None:
    with pytest.raises(ConfigError, match=r"finite number of 64 bits"):
        load({**SOURCES, "sweep": {"seed": [0, HUGE]}})
    with pytest.raises(ConfigError, match=r"finite number of 64 bits"):
        xaikit.load(
            {**SOURCES, "methods": "smoothgradcampp", "sweep": {"methods.smoothgradcampp.std": [0.1, float("nan")]}}
        )
