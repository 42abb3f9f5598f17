"""What judging the maps of a bench will cost, by what a forward takes."""

from __future__ import annotations

from collections.abc import Mapping

from xaikit.bench.bench import Bench
from xaikit.bench.loader import Picture
from xaikit.bench.timing import forward_seconds
from xaikit.evaluation.cases import has_target
from xaikit.evaluation.shard import LoadedMetric, control_evidence
from xaikit.metric import explanations_of, further_of
from xaikit.planning.planned import PlannedEvaluation
from xaikit.targets import count_of

EXPLAINED = 3
"""A pass with gradients, in forwards."""


def plan_evaluation(bench: Bench, metrics: Mapping[str, LoadedMetric], picture: Picture) -> PlannedEvaluation | None:
    """The plan for all photographs of a bench; None where no metric judges. At most: equal maps are judged once, and metrics that
    ask for the same variants share them."""
    if not metrics:
        return None
    cases, scores, explanations = passes_of_judging(bench, metrics)
    count = len(bench.opened.photographs)
    seconds = forward_seconds(bench, picture) * (scores + 1 + EXPLAINED * explanations) * count
    return PlannedEvaluation(tuple(each.name for each in metrics.values()), count, cases, scores, explanations, seconds)


def passes_of_judging(bench: Bench, metrics: Mapping[str, LoadedMetric]) -> tuple[int, int, int]:
    """Of each photograph: the maps that are judged, and at most how many scores and explanations that takes."""
    controls = control_evidence(bench.stored_trials)
    copies = 2 if bench.opened.config.controls else 1
    cases = sum(
        (count_of(request.target) or 1) * (1 if key in controls else copies)
        for key, request in bench.evidence.items()
        if has_target(request.method)
    )
    each = [loaded.metric for loaded in metrics.values()]
    return cases, cases * sum(map(further_of, each)), cases * sum(map(explanations_of, each))
