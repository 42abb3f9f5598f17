from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaikit.plain.values import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("20min", 1200),
        ("20m", 1200),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h 30min 5s", 5405),
        ("1.5h", 5400),
        (" 3 s ", 3),
        (90, 90),
        (0.5, 0.5),
        ("90", 90),
    ],
)
def test_durations(say: Any, text: Any, expected: float) -> None:
    config = say(budget=text)
    assert config.budget == expected
    assert config.plain()["budget"] == expected
    assert isinstance(config.budget, float)


@pytest.mark.parametrize("text", ["", "soon", "h", -1, 0, "0s", True, [3], "30m1h", "1h30", "1d", "1e3s"])
def test_what_is_no_duration(faults: Any, text: Any) -> None:
    (line,) = faults(budget=text)
    assert line.startswith("budget: expected a duration such as 20min, 90s or 1h30m, got ")


@given(st.integers(0, 99), st.integers(0, 999), st.integers(0, 9999))
def test_parts_add_up(hours: int, minutes: int, rest: int) -> None:
    if hours + minutes + rest:
        assert seconds(f"{hours}h{minutes}min{rest}s") == hours * 3600 + minutes * 60 + rest


def test_none_is_no_budget(say: Any) -> None:
    assert say(budget=None).budget is None
    assert say("budget=10min").budget == 600
