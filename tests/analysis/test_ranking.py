"""The leaderboard: who is better, who cannot be told apart, and what a metric itself is worth."""

from __future__ import annotations

import itertools
import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import xaikit
from xaikit.analysis.competitors import judged_of
from xaikit.analysis.ranking import Leaderboard, leaderboard
from xaikit.analysis.standings import MetricStandings, _letters
from xaikit.report.measures import MEASURED


def measured(
    values: dict[str, Any],
    *,
    metric: str = "srg [blur]",
    higher: bool = True,
    controls: tuple[str, ...] = (),
    copies: dict[str, Any] | None = None,
    seeds: int = 1,
) -> list[dict[str, Any]]:
    """Rows of measures, from values by label and photograph."""
    rows = []
    every = [(label, "", column) for label, column in values.items()]
    every += [(label, "blurred", column) for label, column in (copies or {}).items()]
    for label, control, column in every:
        for place, value in enumerate(np.asarray(column, dtype=float)):
            for seed in range(seeds):
                rows.append(
                    {
                        "name": f"{place}.png",
                        "trial": label,
                        "label": label,
                        "model": "net",
                        "column": 0,
                        "seed": seed,
                        "metric": metric,
                        "metric_use": "srg",
                        "metric_label": "srg",
                        "metric_name": "srg",
                        "family": "faithfulness",
                        "higher_is_better": higher,
                        "control": control,
                        "is_control": label in controls,
                        "value": value + 0.001 * seed,
                        "chance": 0.0,
                        "dead": False,
                        "reason": "",
                        "numbers": '{"ties": 0.25}',
                        "seconds": 0.1,
                        "image": str(place),
                    }
                )
    return rows


class Measured:
    """As much of a report as a leaderboard reads."""

    folder = "runs/x"

    index = SimpleNamespace(metrics=())

    def __init__(self, *rows: list[dict[str, Any]]) -> None:
        self.measures = pa.Table.from_pylist([row for each in rows for row in each], schema=MEASURED)


def board_of(*rows: list[dict[str, Any]]) -> Leaderboard:
    return leaderboard(Measured(*rows), draws=1000)  # type: ignore[arg-type]


def only(board: Leaderboard) -> MetricStandings:
    (one,) = board.metrics
    return one


def noisy(mean: float, seed: int, count: int = 40) -> np.ndarray[Any, Any]:
    return mean + 0.1 * np.random.default_rng(seed).standard_normal(count)


def test_nothing_measured_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(xaikit.ConfigError, match="nothing has been measured: write metrics: quick in the config"):
        board_of([])


def test_the_order_of_the_means_and_who_can_be_told_apart() -> None:
    each = only(board_of(measured({"good": noisy(0.9, 0), "same": noisy(0.9, 1), "bad": noisy(0.1, 2)})))
    standing = {one.competitor.name: one for one in each.standings}
    assert standing["bad"].rank == 3
    assert standing["good"].group == standing["same"].group == "a"
    assert standing["bad"].group == "b"
    assert standing["good"].ties == 0.25
    duel = {(one.first, one.second): one for one in each.duels}
    assert duel["good", "bad"].adjusted < 0.05
    assert duel["good", "bad"].won == 1
    assert duel["good", "bad"].effect > 3
    assert duel["good", "same"].adjusted > 0.05


def test_lower_may_be_better() -> None:
    each = only(board_of(measured({"good": noisy(0.1, 0), "bad": noisy(0.9, 1)}, higher=False)))
    assert [one.competitor.name for one in each.standings] == ["good", "bad"]
    (duel,) = each.duels
    assert duel.test.difference == pytest.approx(0.8, abs=0.1), "positive where the first is better"


def test_a_method_that_beats_no_control_is_marked() -> None:
    rows = measured(
        {"good": noisy(0.9, 0), "blind": noisy(0.2, 1), "center": noisy(0.2, 2)},
        controls=("center",),
        copies={"good": noisy(0.3, 3), "blind": noisy(0.2, 4)},
    )
    standing = {one.competitor.name: one for one in only(board_of(rows)).standings}
    assert standing["good"].unbeaten == ()
    assert standing["blind"].unbeaten == ("center", "blind, blurred")
    assert math.isnan(standing["center"].rank)


def test_a_control_without_a_value_is_none_to_be_beaten_and_a_method_without_one_beats_nobody() -> None:
    rows = measured(
        {"good": noisy(0.9, 0), "dead": [math.nan] * 40, "center": noisy(0.2, 1), "uniform": [math.nan] * 40},
        controls=("center", "uniform"),
    )
    standing = {one.competitor.name: one for one in only(board_of(rows)).standings}
    assert standing["good"].unbeaten == ()
    assert standing["dead"].unbeaten == ("center",)


def test_a_method_without_any_value_takes_no_group_and_no_reliability_from_the_others() -> None:
    values = {f"m{n}": noisy(0.2 * n, n) for n in range(4)}
    alone, beside = (only(board_of(measured(each))) for each in (values, {**values, "dead": [math.nan] * 40}))
    assert beside.reliability > 0.9
    assert beside.critical == alone.critical
    groups = {one.competitor.name: one.group for one in beside.standings}
    assert groups == {**{one.competitor.name: one.group for one in alone.standings}, "dead": ""}


@pytest.mark.parametrize(("count", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_nemenyis_table(count: int, quantile: float) -> None:
    """Table 5 (a) of Demšar 2006."""
    each = only(board_of(measured({f"m{n}": noisy(0.5, n) for n in range(count)})))
    assert each.critical == pytest.approx(quantile * math.sqrt(count * (count + 1) / (6 * 40)), abs=1e-3)


def test_methods_share_a_letter_exactly_where_they_are_within_the_critical_difference() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        ranks, critical = draw.uniform(1, 8, 8), draw.uniform(0.2, 4)
        letters = _letters(ranks, critical)
        for one, other in itertools.combinations(range(8), 2):
            assert bool(set(letters[one]) & set(letters[other])) == (abs(ranks[one] - ranks[other]) <= critical)
        assert "a" in letters[int(ranks.argmin())]


def test_seeds_are_averaged_within_a_photograph() -> None:
    (judged,) = judged_of(Measured(measured({"one": [0.0, 1.0]}, seeds=3)).measures)
    np.testing.assert_allclose(judged.values["one"], [0.001, 1.001])
    assert judged.seeds["one"] == 3


def test_a_method_may_be_called_like_a_blurred_copy() -> None:
    rows = measured({"one": [0.0, 1.0], "one, blurred": [2.0, 3.0]}, copies={"one": [4.0, 5.0]})
    (judged,) = judged_of(Measured(rows).measures)
    assert {name: values.tolist() for name, values in judged.values.items()} == {
        "one": [0, 1],
        "one, blurred": [2, 3],
        "one, blurred copy": [4, 5],
    }
    assert [each.name for each in judged.of_role("blurred")] == ["one, blurred copy"]


def test_what_is_undefined_is_counted_and_not_averaged() -> None:
    each = only(board_of(measured({"one": [0.5, math.nan, 0.7], "two": [0.1, 0.2, 0.3]})))
    standing = {one.competitor.name: one for one in each.standings}
    assert standing["one"].mean.mean == pytest.approx(0.6)
    assert standing["one"].mean.missing == 1
    assert each.duels[0].test.count - each.duels[0].test.missing == 2


def test_a_metric_of_noise_is_not_reliable_and_one_of_signal_is() -> None:
    methods = {f"m{n}": noisy(0.5, n) for n in range(5)}
    assert not only(board_of(measured(methods))).reliability > 0.9
    spread = only(board_of(measured({f"m{n}": noisy(0.2 * n, n) for n in range(5)})))
    assert spread.reliability > 0.95
    assert spread.is_reliable


def test_a_flip_between_two_imputers_is_said() -> None:
    rows = measured({"one": noisy(0.9, 0), "two": noisy(0.1, 1)}, metric="srg [blur]")
    other = measured({"one": noisy(0.1, 2), "two": noisy(0.9, 3)}, metric="srg [black]")
    board = board_of(rows, other)
    assert board.flips == ("rank flip: one over two by srg [blur], two over one by srg [black]",)
    ranks = {each.method: each for each in board.families}
    assert (ranks["one"].median, ranks["one"].lowest, ranks["one"].highest) == (1.5, 1, 2)


def test_all_numbers_are_in_the_rows() -> None:
    board = board_of(measured({"good": noisy(0.9, 0), "bad": noisy(0.1, 1)}))
    rows = board.rows()
    assert [row["method"] for row in rows] == ["good", "bad"]
    assert rows[0]["n"] == 40
    assert rows[0]["low"] < rows[0]["mean"] < rows[0]["high"]
    assert board.duels()[0]["p (Holm)"] < 0.05


def test_a_sentence_says_who_is_better_by_what_and_whether_one_may_say_so() -> None:
    board = board_of(measured({"bad": noisy(0.1, 1), "good": noisy(0.9, 0), "same": noisy(0.9, 2)}))
    (sentence,) = board.sentences("bad", "good")
    assert sentence.startswith("By srg [blur] on net, good (0.")
    assert "is better than bad" in sentence
    assert "over 40 photographs" in sentence
    assert "after Holm over 3 pairs" in sentence
    assert "better on 100% of them; it beats every control." in sentence
    assert "cannot be told from" in board.sentences("same", "good")[0]
    with pytest.raises(xaikit.ConfigError, match="expected two of same, good, bad, got 'good' and 'worse'"):
        board.sentences("good", "worse")


@pytest.mark.parametrize(
    ("second", "judged"), [(0.5, "one photograph alone"), (math.nan, "no photograph that both have a value on")]
)
def test_one_photograph_is_no_sample(second: float, judged: str) -> None:
    (sentence,) = board_of(measured({"good": [0.75], "bad": [second]})).sentences("good", "bad")
    assert sentence.endswith(f"were judged on {judged}, which is no sample: nothing follows for others.")
    assert "[" not in sentence.removeprefix("By srg [blur] on net")


def test_as_plain_data_it_has_the_numbers_of_the_rows_and_none_for_those_that_are_none() -> None:
    rows = measured({"good": noisy(0.9, 0), "bad": noisy(0.1, 1), "edge": noisy(0.1, 2)}, controls=("edge",))
    board = board_of(rows, measured({"good": [0.5], "bad": [math.nan]}, metric="iou"))
    plain = json.loads(json.dumps(board.plain(), allow_nan=False))
    standings = [(each, standing) for each in plain["metrics"] for standing in each["standings"]]
    for row, (each, standing) in zip(board.rows(), standings, strict=True):
        for name, key in {"mean": "mean", "low": "low", "high": "high", "rank": "rank", "chance": "chance"}.items():
            assert standing[name] == (row[key] if math.isfinite(row[key]) else None)
        assert (each["metric"], standing["name"], standing["n"]) == (row["metric"], row["method"], row["n"])
        assert "; ".join(standing["unbeaten"]) == row["does not beat"]
    assert [standing["mean"] for _, standing in standings][-1] is None


def test_values_that_are_equal_but_for_rounding_are_a_tie() -> None:
    one = noisy(0.5, 0)
    (duel,) = only(board_of(measured({"one": one, "twin": one * (1 + 1e-8)}))).duels
    assert duel.won == 0.5
    assert duel.adjusted > 0.05 or abs(duel.test.difference) < 1e-6
