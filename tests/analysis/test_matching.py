from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import xaikit
from helpers.runs import config
from helpers.written_runs import Shot, stored, written
from xaikit.analysis import matching
from xaikit.analysis.difference import Difference
from xaikit.analysis.matching import close, diff, distance
from xaikit.store.trials import StoredTrial

A, B = stored("a"), stored("b")
NAMES = ("cat.png", "dog.png", "owl.png")


def drawn(seed: int = 0, targets: int = 1, size: int = 4) -> dict[str, Tensor]:
    return {"body": torch.randn(targets, size, size, generator=torch.Generator().manual_seed(seed))}


def shots(trials: Sequence[StoredTrial] = (A, B), names: Sequence[str] = NAMES) -> list[Shot]:
    return [
        Shot(name, trial, drawn(10 * NAMES.index(name) + place)) for name in names for place, trial in enumerate(trials)
    ]


def compared(
    folder: Path,
    first: Sequence[Shot],
    second: Sequence[Shot],
    trials: Sequence[Sequence[StoredTrial]] = ((A, B), (A, B)),
) -> Difference:
    one = written(folder / "one", trials[0], first)
    return diff(one, written(folder / "two", trials[1], second, together=3))


def changed(place: int, **changes: Any) -> list[Shot]:
    """The shots, one of which is another."""
    all_shots = shots()
    return [*all_shots[:place], replace(all_shots[place], **changes), *all_shots[place + 1 :]]


def but(maps: Mapping[str, Tensor], value: float, by: float = 0.0) -> dict[str, Tensor]:
    """The maps with another value in one place."""
    raw = maps["body"].clone()
    raw[0, 1, 2] = value if not by else raw[0, 1, 2] + by
    return {"body": raw}


# the same


def test_a_run_is_the_same_as_itself_however_it_was_split_and_named(tmp_path: Path) -> None:
    difference = compared(tmp_path, shots(), [replace(shot, noted={"seconds": 9.0}) for shot in reversed(shots())])
    assert difference.same
    assert [(trial.trial, trial.photographs, trial.worst) for trial in difference.trials] == [
        ("a", 3, 0.0),
        ("b", 3, 0.0),
    ]
    assert str(difference).splitlines() == [
        f"a {tmp_path / 'one'}, b {tmp_path / 'two'}: the same within 0.001",
        "a: 3 photographs, worst difference 0",
        "b: 3 photographs, worst difference 0",
    ]


def test_nan_equals_nan_and_nothing_else(tmp_path: Path) -> None:
    spoilt = changed(2, maps=but(drawn(10), math.nan), score=math.nan)
    assert compared(tmp_path / "x", spoilt, spoilt).same
    difference = compared(tmp_path / "y", spoilt, changed(2, score=math.nan))
    assert not difference.same
    assert (difference.trials[0].worst, difference.trials[0].where, difference.trials[0].beyond) == (
        math.inf,
        "dog.png, body",
        1,
    )


def test_photographs_are_matched_by_their_bytes_and_else_by_name(tmp_path: Path) -> None:
    moved = [replace(shot, name=f"elsewhere/{shot.name}", image=shot.digest) for shot in shots(names=NAMES[:2])]
    edited = [replace(shot, image="another file") for shot in shots(names=NAMES[2:])]
    difference = compared(tmp_path, shots(), [*edited, *moved])
    assert difference.same
    assert difference.by_name == ("owl.png",)
    assert "compared by name, their files differ: owl.png" in difference.lines


def test_photographs_of_the_same_bytes_are_matched_one_to_one(tmp_path: Path) -> None:
    twice = [Shot("x", A, drawn(1), image="same"), Shot("y", A, drawn(2), image="same")]
    assert compared(tmp_path / "x", twice, twice[::-1], ((A,), (A,))).same
    difference = compared(tmp_path / "y", twice, twice[1:], ((A,), (A,)))
    assert (difference.trials[0].worst, difference.photographs_a) == (0, ("x",))


def test_bytes_go_before_names_and_nothing_is_matched_twice(tmp_path: Path) -> None:
    first = [Shot("x", A, drawn(1), image="one"), Shot("y", A, drawn(2), image="two")]
    second = [Shot("x", A, drawn(2), image="two"), Shot("z", A, drawn(1), image="one")]
    difference = compared(tmp_path / "x", first, second, ((A,), (A,)))
    assert difference.same
    assert difference.by_name == ()
    difference = compared(tmp_path / "y", first, [Shot("y", A, drawn(1), image="one")], ((A,), (A,)))
    assert (difference.photographs_a, difference.by_name, difference.trials[0].worst) == (("y",), (), 0)


def test_photographs_of_one_name_but_other_bytes_are_kept_apart(tmp_path: Path) -> None:
    other = stored("b", bench="other")
    first = [Shot("p", A, drawn(1), image="one"), Shot("p", other, drawn(2), image="two")]
    assert compared(tmp_path / "x", first, first, ((A, other), (A, other))).same
    difference = compared(tmp_path / "y", first, first[:1], ((A, other), (A, other)))
    assert difference.photographs_a == ("p",)
    assert difference.trials[0].same


# values


def test_maps_are_compared_in_units_of_the_largest_value(tmp_path: Path) -> None:
    raw = drawn(10)
    largest = float(raw["body"].abs().max())
    for share, same in ((0.0005, True), (0.002, False)):
        difference = compared(
            tmp_path / str(share), changed(2, maps=raw), changed(2, maps=but(raw, 0, by=share * largest))
        )
        assert difference.same is same
        assert difference.trials[0].worst == pytest.approx(share, rel=1e-2)
        assert (difference.trials[0].where, difference.trials[0].beyond) == ("dog.png, body", 0 if same else 1)
        assert difference.trials[1].same


def test_every_target_has_its_own_unit() -> None:
    a = np.stack([np.full((2, 2), 1000.0), np.ones((2, 2))])
    b = a.copy()
    b[1, 0, 0] += 0.5
    assert distance(a, b) == pytest.approx(0.5 / 1.5)


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=4, max_size=4), st.integers(0, 3))
def test_distance_is_symmetric_and_zero_to_itself(values: list[float], place: int) -> None:
    a = np.float32(values).reshape(1, 2, 2)
    b = np.roll(a, place).reshape(1, 2, 2)
    assert distance(a, a) == 0
    assert distance(a, b) == distance(b, a) <= 2


def test_infinity_is_itself_alone() -> None:
    a = np.array([[1.0, math.inf, -math.inf, math.nan]])
    assert distance(a, a) == 0
    assert distance(a, np.roll(a, 1)) == distance(a, abs(a)) == math.inf
    assert distance(a, np.array([[1.5, math.inf, -math.inf, math.nan]])) == pytest.approx(1 / 3)
    assert distance(np.zeros((1, 2)), np.zeros((1, 2))) == 0
    assert distance(np.zeros((1, 0)), np.zeros((1, 0))) == 0


def test_scores_are_close_relative_to_their_size() -> None:
    assert close(1000.0, 1000.9, 1e-3)
    assert close(0.0, 0.0009, 1e-3)
    assert not close(0.0, 0.0011, 1e-3)
    assert close(math.nan, math.nan, 1e-3)
    assert not close(math.nan, 0.0, 1e-3)
    assert close(math.inf, math.inf, 1e-3)
    assert not close(math.inf, 5.0, 1e-3)
    assert close(None, None, 0)
    assert not close(None, math.nan, 1)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"score": 1.5}, "score: 1 and 1.5"),
        ({"noted": {"prediction": 4}}, "prediction: 3 and 4"),
        ({"noted": {"target": None}}, "target: 3 and None"),
        ({"noted": {"warnings": ["body: zero map"]}}, "warnings: () and ('body: zero map',)"),
        ({"noted": {"probability": None}}, "probability: 0.5 and None"),
        ({"maps": drawn(size=3)}, "layer body: shapes (1, 4, 4) and (1, 3, 3)"),
        ({"maps": drawn(targets=2)}, "targets: 1 and 2; layer body: shapes (1, 4, 4) and (2, 4, 4)"),
    ],
)
def test_what_differs_is_noted(tmp_path: Path, changes: dict[str, Any], note: str) -> None:
    name, first = NAMES[0], [Shot(NAMES[0], A, drawn())]
    difference = compared(tmp_path, first, [replace(first[0], **changes)], ((A,), (A,)))
    assert not difference.same
    assert difference.trials[0].noted == (f"{name}: {note}",)
    assert f"  {name}: {note}" in str(difference).splitlines()


def test_the_target_is_named_where_there_are_some(tmp_path: Path) -> None:
    first = [Shot("cat.png", A, drawn(targets=2))]
    difference = compared(tmp_path, first, [replace(first[0], score=2.0)], ((A,), (A,)))
    assert difference.trials[0].noted == ("cat.png: score of target 0: 1 and 2; score of target 1: 1 and 2",)


def test_of_many_differences_a_few_are_told_and_all_are_counted(tmp_path: Path) -> None:
    first = [Shot(f"{number}.png", A, drawn()) for number in range(8)]
    difference = compared(tmp_path, first, [replace(shot, score=2.0) for shot in first], ((A,), (A,)))
    assert (len(difference.trials[0].noted), difference.trials[0].photographs_noted) == (5, 8)
    assert "  and 3 photographs more" in difference.lines


# what is missing


def test_trials_of_one_run_alone(tmp_path: Path) -> None:
    c = stored("c")
    difference = compared(tmp_path, shots(), shots((A, c)), ((A, B), (A, c)))
    assert (difference.only_a, difference.only_b, [trial.trial for trial in difference.trials]) == (
        ("b",),
        ("c",),
        ["a"],
    )
    assert difference.trials[0].same
    assert not difference.same
    assert difference.lines[-2:] == ("trials only in a: b", "trials only in b: c")


def test_photographs_of_one_run_alone(tmp_path: Path) -> None:
    difference = compared(tmp_path, shots(names=NAMES[:2]), shots(names=NAMES[1:]))
    assert (difference.photographs_a, difference.photographs_b) == (("cat.png",), ("owl.png",))
    assert [trial.photographs for trial in difference.trials] == [1, 1]
    assert not difference.same


def test_a_photograph_that_one_trial_lacks(tmp_path: Path) -> None:
    difference = compared(tmp_path, shots()[1:], shots()[:-1])
    first, second = difference.trials
    assert (first.only_a, first.only_b, first.photographs) == ((), ("cat.png",), 2)
    assert (second.only_a, second.only_b, second.photographs) == (("owl.png",), (), 2)
    assert "  only in b: cat.png" in difference.lines
    assert not difference.same


def test_layers_of_one_run_alone(tmp_path: Path) -> None:
    wide = stored("a", layers=("body", "head"))
    both = [Shot("cat.png", wide, {**drawn(), "head": torch.ones(1, 2, 2)})]
    one = [Shot("cat.png", A, drawn())]
    assert compared(tmp_path / "x", both, one, ((wide,), (A,))).trials[0].noted == ("cat.png: layer head only in a",)
    assert compared(tmp_path / "y", one, both, ((A,), (wide,))).trials[0].noted == ("cat.png: layer head only in b",)


def test_photographs_are_read_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = written(tmp_path / "one", (A, B), shots()), written(tmp_path / "two", (A, B), shots(), together=1)
    batches = list(
        matching.batches(matching.Side(one), matching.Side(two), {p: p for p in matching.Side(one).photographs}, 2)
    )
    assert [len(mine) for mine, _ in batches] == [2, 1]
    assert diff(one, two).same


def test_two_empty_runs_are_the_same(tmp_path: Path) -> None:
    assert compared(tmp_path, [], []).same


def test_a_real_run_again_in_another_folder(tmp_path: Path) -> None:
    values = config(tmp_path)
    first = xaikit.run(values)
    assert diff(first, xaikit.run({**values, "report": {"to": str(tmp_path / "again")}})).same
    signless = diff(
        first, xaikit.run({**values, "report": {"to": str(tmp_path / "bytes"), "maps": "uint8"}}), tolerance=0.01
    )
    assert [trial.same for trial in signless.trials] == [False, True], "bytes keep no sign, of which LayerCAM has none"


def test_runs_may_be_named_by_their_folders(tmp_path: Path) -> None:
    trial = stored("grad")
    report = written(tmp_path, [trial], [Shot("a", trial, drawn())])
    assert diff(str(tmp_path), tmp_path).same
    assert str(xaikit.compare(str(tmp_path), draws=100)) == str(xaikit.compare(report, draws=100))
    with pytest.raises(xaikit.ConfigError, match="nothing has been measured"):
        xaikit.leaderboard(tmp_path)
    with pytest.raises(xaikit.StoreError, match="expected the folder of a run"):
        diff(report, tmp_path / "none")
