from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import xaikit
from helpers.runs import config
from helpers.written_runs import FINISH, Shot, stored, written
from xaikit.analysis.comparison import MOST_PAIRED, compare
from xaikit.analysis.measures import MEASURES, measures
from xaikit.analysis.table import table
from xaikit.errors import ConfigError
from xaikit.report.report import Report

PHOTOGRAPHS = tuple(f"p{number}.png" for number in range(5))


def drawn(seed: int, targets: int = 1) -> dict[str, Tensor]:
    return {"body": torch.randn(targets, 4, 4, generator=torch.Generator().manual_seed(seed))}


def swept(folder: Path) -> Report:
    """Two labels by two seeds, one photograph of which b lacks a seed, and one which it lacks."""
    trials = [
        stored(f"{label}, seed={seed}", label=label, seed=seed, where={"seed": seed, "methods.x.k": place})
        for place, (label, seed) in enumerate(itertools.product("ab", (0, 1)))
    ]
    shots = [
        Shot(name, trial, drawn(17 * number + place, 2), score=number + 10 * place)
        for number, name in enumerate(PHOTOGRAPHS)
        for place, trial in enumerate(trials)
        if (number, place) not in ((0, 3), (1, 2), (1, 3))
    ]
    return written(folder, trials, shots)


def scored(folder: Path, scores: dict[str, list[float]], **about: Any) -> Report:
    """One trial a label, and a score for each photograph."""
    trials = {name: stored(name, **about) for name in scores}
    shots = [
        Shot(f"p{number}.png", trials[name], drawn(0), score=score)
        for name, column in scores.items()
        for number, score in enumerate(column)
    ]
    return written(folder, list(trials.values()), shots)


# the long table


def test_a_row_for_each_photograph_trial_target_and_measure(tmp_path: Path) -> None:
    report = swept(tmp_path)
    long = table(report)
    assert long.column_names == [
        *("name", "image", "trial", "label", "model", "seed", "column", "measure", "value", "methods.x.k")
    ]
    rows = long.to_pylist()
    assert len(rows) == (5 * 4 - 3) * 2 * len(MEASURES)
    for record in report.records:
        raws, fused = report.maps(record.name, record.trial), report.map(record.name, record.trial)
        mine = [
            row
            for row in rows
            if (row["name"], row["trial"], row["column"]) == (record.name, record.trial, record.column)
        ]
        assert {row["measure"]: row["value"] for row in mine} == measures(record, raws, fused)
        (about,) = {(row["image"], row["label"], row["model"], f"{row['label']}, seed={row['seed']}") for row in mine}
        assert about == (record.image, record.label, "tiny", record.trial)
        assert {row["methods.x.k"] for row in mine} == {report.names.index(record.trial)}


def test_one_measure_alone_and_no_map_is_read_for_those_of_the_record(tmp_path: Path) -> None:
    report = swept(tmp_path)
    whole = [row for row in table(report).to_pylist() if row["measure"] == "gini"]
    assert table(report, measure="gini").to_pylist() == whole
    for file in tmp_path.rglob("*.safetensors"):
        file.unlink()
    assert set(table(report, measure="score")["measure"].to_pylist()) == {"score"}


def test_a_finish_that_does_not_fuse_leaves_the_measures_of_the_fused_map_undefined(tmp_path: Path) -> None:
    trial = stored("a", finish={**FINISH, "fuse": "none"})
    long = table(written(tmp_path, [trial], [Shot("p.png", trial, drawn(0))])).to_pylist()
    assert {row["measure"] for row in long if math.isnan(row["value"])} == {"area", "gini"}


def test_a_run_without_a_photograph_has_an_empty_table(tmp_path: Path) -> None:
    report = written(tmp_path, [stored("a"), stored("b")], [])
    assert table(report).num_rows == 0
    comparison = compare(report)
    assert (comparison.groups, comparison.pairs) == ((), ())
    assert "score: not defined for any photograph" in str(comparison)


# comparisons


def test_a_photograph_counts_once_whatever_its_seeds_and_targets(tmp_path: Path) -> None:
    comparison = compare(swept(tmp_path), measure="score", draws=200)
    a, b = comparison.groups
    assert (a.name, a.mean.count, a.seeds) == ("a", 5, 2)
    assert a.mean.mean == pytest.approx(np.mean([number + 5 for number in range(5)]))
    assert a.spread == pytest.approx(np.std([2, 12], ddof=1))
    of_b = [20, 22 + 5, 23 + 5, 24 + 5]
    assert (b.mean.count, b.mean.mean) == (4, pytest.approx(np.mean(of_b)))
    assert b.spread == pytest.approx(np.std([np.mean([20, 22, 23, 24]), np.mean([32, 33, 34])], ddof=1))


def test_pairs_are_tested_on_the_photographs_that_both_have(tmp_path: Path) -> None:
    (pair,) = compare(swept(tmp_path), measure="score", draws=200).pairs
    assert (pair.first, pair.second, pair.test.count) == ("a", "b", 4)
    assert pair.test.difference == pytest.approx(np.mean([5 - 20, 7 - 27, 8 - 28, 9 - 29]))
    assert pair.test.p == pair.adjusted == 2 / 16


def test_targets_that_one_of_two_lacks_are_left_out_of_their_pair(tmp_path: Path) -> None:
    one, two = stored("one"), stored("two")
    maps = {"body": torch.stack([torch.ones(2, 2), -torch.ones(2, 2)])}
    shots = [Shot(name, one, maps) for name in "xy"] + [Shot(name, two, {"body": maps["body"][:1]}) for name in "xy"]
    comparison = compare(written(tmp_path, [one, two], shots), measure="positive", draws=50)
    assert [group.mean.mean for group in comparison.groups] == [0.5, 1]
    assert comparison.pairs[0].test.difference == 0


def test_by_trial_each_is_a_group_and_all_pairs_are_adjusted_within_a_measure(tmp_path: Path) -> None:
    comparison = compare(swept(tmp_path), by="trial", draws=100)
    assert [group.name for group in comparison.groups if group.measure == "gini"] == [
        *("a, seed=0", "a, seed=1", "b, seed=0", "b, seed=1")
    ]
    assert all(group.seeds == 1 and math.isnan(group.spread) for group in comparison.groups)
    for measure in MEASURES:
        pairs = [pair for pair in comparison.pairs if pair.measure == measure]
        assert len(pairs) == 6
        smallest = min(pairs, key=lambda pair: pair.test.p)
        assert smallest.adjusted == pytest.approx(min(1, 6 * smallest.test.p))


def test_photographs_of_one_name_but_other_bytes_are_not_the_same(tmp_path: Path) -> None:
    one, two = stored("one"), stored("two", bench="other")
    shots = [Shot("p.png", one, drawn(0), image="aa"), Shot("p.png", two, drawn(0), image="bb")]
    (pair,) = compare(written(tmp_path, [one, two], shots), measure="score").pairs
    assert (pair.test.count, math.isnan(pair.test.difference)) == (0, True)


def test_draws_depend_on_the_seed_and_on_nothing_else_that_is_compared(tmp_path: Path) -> None:
    report = swept(tmp_path)
    alone, again = compare(report, measure="gini", draws=100), compare(report, draws=100)
    assert [group for group in again.groups if group.measure == "gini"] == list(alone.groups)
    assert [pair for pair in again.pairs if pair.measure == "gini"] == list(alone.pairs)
    assert compare(report, measure="gini", draws=100, seed=1).groups[0].mean != alone.groups[0].mean


def test_equal_values_of_two_groups_are_drawn_apart(tmp_path: Path) -> None:
    comparison = compare(scored(tmp_path, {"a": [1, 2, 4, 8, 16], "b": [1, 2, 4, 8, 16]}), measure="score", draws=50)
    a, b = (group.mean for group in comparison.groups)
    assert a.mean == b.mean
    assert (a.low, a.high) != (b.low, b.high)


def test_the_spread_over_seeds_is_of_the_photographs_that_are_defined(tmp_path: Path) -> None:
    trials = [stored(f"a, seed={seed}", label="a", seed=seed) for seed in (0, 1)]
    shots = [
        Shot(f"p{number}.png", trial, drawn(0), score=score)
        for trial, scores in zip(trials, ([math.inf, 3.0], [1.0, 5.0]), strict=True)
        for number, score in enumerate(scores)
    ]
    (group,) = compare(written(tmp_path, trials, shots), measure="score").groups
    assert group.spread == pytest.approx(np.std([3, 5], ddof=1))
    assert (group.mean.mean, group.mean.missing) == (4, 1)


def test_undefined_photographs_are_left_out_of_a_mean_and_counted(tmp_path: Path) -> None:
    comparison = compare(scored(tmp_path, {"a": [1, math.nan, 3], "b": [1, 2, 3], "c": [3, 2, 4]}), measure="score")
    of_a, of_b, _ = comparison.groups
    assert (of_a.mean.mean, of_a.mean.count, of_a.mean.missing, of_b.mean.mean) == (2, 3, 1, 2)
    first, _, last = comparison.pairs
    assert (first.test.difference, first.test.missing, last.test.missing) == (0, 1, 0)
    assert "nan" not in str(comparison)


def test_a_label_that_pools_layers_or_options_says_so_and_by_trial_it_does_not(tmp_path: Path) -> None:
    trials = [
        stored(f"a (layers=[{layer}])", label="a", layers=(layer,), where={"layers": [layer], "k": 3, "seed": seed})
        for seed, layer in enumerate(("stem", "body"))
    ]
    shots = [Shot("p.png", trial, {trial.layers[0]: drawn(0)["body"]}) for trial in trials]
    report = written(tmp_path, [*trials, stored("b")], shots)
    comparison = compare(report, measure="score", draws=10)
    note = "a: means of 2 trials each, over layers; by trial they are told apart (--by trial)"
    assert comparison.notes == (note,)
    assert note in str(comparison)
    assert compare(report, by="trial", measure="score", draws=10).notes == ()


def test_a_trial_on_several_models_says_that_it_pools_them(tmp_path: Path) -> None:
    trials = [stored("a", bench=model, model=model) for model in ("one", "two")]
    report = written(tmp_path, trials, [Shot("p.png", trial, drawn(0)) for trial in trials])
    assert compare(report, by="trial", measure="score", draws=10).notes == ("a: means of 2 trials each, over model",)


def test_the_rows_hold_every_number_of_the_tables(tmp_path: Path) -> None:
    comparison = compare(scored(tmp_path, {"a": [1, 2, 3], "b": [1, 2, 4]}), measure="score")
    rows = comparison.rows()
    assert [(row["group"], row["minus"]) for row in rows] == [("a", ""), ("b", ""), ("a", "b")]
    assert [row["mean"] for row in rows] == [2, pytest.approx(7 / 3), pytest.approx(-1 / 3)]
    assert rows[2]["p"] == comparison.pairs[0].test.p
    assert {tuple(row) for row in rows} == {tuple(rows[0])}, "columns of one table"


def test_a_measure_that_is_nowhere_defined_is_noted_and_left_out(tmp_path: Path) -> None:
    trials = [stored("a"), stored("b")]
    shots = [Shot("p.png", trial, drawn(0), noted={"probability": None}) for trial in trials]
    comparison = compare(written(tmp_path, trials, shots), draws=10)
    assert comparison.notes == ("probability: not defined for any photograph",)
    assert "probability" not in {group.measure for group in comparison.groups}


def test_of_many_groups_there_are_means_only(tmp_path: Path) -> None:
    report = scored(tmp_path, {f"m{number:02}": [1.0, 2.0] for number in range(MOST_PAIRED + 1)})
    comparison = compare(report, measure="score", draws=10)
    assert (len(comparison.groups), comparison.pairs) == (MOST_PAIRED + 1, ())
    assert str(comparison).endswith("13 groups: pairs are tested of 12 at most, these are means only")


def test_as_text(tmp_path: Path) -> None:
    comparison = compare(
        scored(tmp_path, {"gradcam": [1, 2, 3], "b": [1, 1, 1]}), measure="score", level=0.9, draws=500
    )
    text = str(comparison)
    assert text.splitlines()[0] == "score: the explained number, as the model returned it"
    lines = [line.split() for line in text.splitlines()]
    assert lines[2] == [
        "label",
        "photographs",
        "undefined",
        "mean",
        "90",
        "%",
        "interval",
        "seeds",
        "sd",
        "of",
        "seeds",
    ]
    assert lines[4] == ["b", "3", "0", "1", "[1,", "1]", "1"]
    assert lines[7][:6] == ["gradcam", "-", "b", "3", "0", "1"]
    assert lines[7][-2:] == ["0.5", "0.5"]
    assert all(line == line.rstrip() for line in text.splitlines())


def test_what_does_not_exist_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    report = scored(tmp_path, {"a": [1.0]})
    for call in (compare, table):
        with pytest.raises(ConfigError, match=r"measure: expected one of score, .* got 'ginni'; did you mean 'gini'"):
            call(report, measure="ginni")
    with pytest.raises(ConfigError, match="by: expected label or trial, got 'model'"):
        compare(report, by="model")  # type: ignore[arg-type]


def test_a_real_run_with_a_sweep(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path, sweep={"layers": [["stem"], ["body"]]}))
    assert table(report).num_rows == len(report.records) * len(MEASURES) == 3 * 4 * len(MEASURES)
    comparison = compare(report, measure="positive", draws=50)
    assert [(group.name, group.mean.count) for group in comparison.groups] == [("gradcam", 3), ("layercam", 3)]
    assert comparison.groups[1].mean.mean == 1, "LayerCAM sums what is positive"
