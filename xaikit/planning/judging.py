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
    controls = control_evidence(bench.stored_trials)
    copies = 2 if bench.opened.config.controls else 1
    cases = sum(
        (count_of(request.target) or 1) * (1 if key in controls else copies)
        for key, request in bench.evidence.items()
        if has_target(request.method)
    )
    scores = cases * sum(further_of(each.metric) for each in metrics.values())
    explanations = sum(explanations_of(each.metric) for each in metrics.values())
    count = len(bench.opened.photographs)
    seconds = forward_seconds(bench, picture) * (scores + 1 + EXPLAINED * explanations * cases) * count
    return PlannedEvaluation(
        tuple(each.name for each in metrics.values()), count, cases, scores, explanations * cases, seconds
    )
