"""The benchmark of what a run shows runs, and what the plan counts is what there is; no time is asserted."""

from benchmarks.showing import measured


def test_it_says_what_was_planned_and_taken() -> None:
    figures = measured(1)
    assert figures["overlays"] == 18
    assert figures["pages"] == 3
    assert figures["MiB planned"] / 2 < figures["MiB taken"] < figures["MiB planned"] * 2
    assert figures["seconds planned"] > 0
