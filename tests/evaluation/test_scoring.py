"""Scores of variants: the model sees what several maps or metrics ask for once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from xaikit.engine import Batch, Request
from xaikit.evaluation import policies
from xaikit.evaluation.cases import Case
from xaikit.evaluation.judged import ChosenClasses
from xaikit.evaluation.judging import Judge, Setting
from xaikit.evidence.taps import INPUT
from xaikit.metric import Metric, MetricNeeds, MetricView, Policy
from xaikit.passes.tally import Tally
from xaikit.registry import Registry
from xaikit.registry.declarations import suites_of
from xaikit_cams.gradcam import GradCAM
from xaikit_cams.randomcam import RandomCAM
from xaikit_cams.uniform import Uniform
from xaikit_metrics.deletion import Deletion
from xaikit_metrics.faithfulnesscorrelation import FaithfulnessCorrelation
from xaikit_metrics.infidelity import Infidelity
from xaikit_metrics.insertion import Insertion
from xaikit_metrics.monotonicity import Monotonicity
from xaikit_metrics.saco import Saco
from xaikit_metrics.sensitivityn import SensitivityN
from xaikit_metrics.srg import SymmetricRelevanceGain

MAPS = 3


class Counting(nn.Module):
    """A linear model that counts the photographs that it is shown."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.register_buffer("weight", torch.randn(64, 2, generator=torch.Generator().manual_seed(0)))

    def forward(self, image: Tensor) -> Tensor:
        self.seen += len(image)
        scores: Tensor = image.flatten(1) @ self.weight
        return scores


def judge_of(
    net: nn.Module, photographs: int = 2, methods: Mapping[str, Any] | None = None
) -> tuple[Judge, list[Case]]:
    """A batch, and several maps of each photograph."""
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(photographs, 1, 8, 8, generator=draw)
    target = ChosenClasses((0,) * photographs)
    taps = (INPUT,) if methods else ()
    setting = Setting(
        model=net,
        batch=Batch(images, tuple(map(str, range(photographs)))),
        requests={
            key: Request(key, key, method, taps, target, None, 0)
            for key, method in (methods or {"judged": GradCAM()}).items()
        },
        black=torch.zeros(1, 1, 1),
        annotations=[None] * photographs,
        others=lambda case, count, purpose: images,
        output="auto",
        mode="eval",
        precision="float32",
        seed=0,
        tally=Tally(),
    )
    maps = torch.randn(photographs, MAPS, 8, 8, generator=draw)
    cases = [
        Case(sample, 0, 0, (each,), each, False, True, {"evidence": "judged"})
        for sample, several in enumerate(maps)
        for each in several
    ]
    return Judge(setting), cases


def cost_of(*metrics: Metric) -> list[int]:
    """What each costs in photographs that the model is shown, in turn."""
    net = Counting()
    judge, cases = judge_of(net)
    list(judge.judge(Saco(block=4, imputer="noise", groups=1), "first", cases))  # what is asked about the model once
    costs = []
    for metric in metrics:
        before = net.seen
        list(judge.judge(metric, "judged", cases))
        costs.append(net.seen - before)
    return costs


def test_a_metric_costs_each_map_what_it_says() -> None:
    assert cost_of(Saco(block=2, groups=4)) == [2 * MAPS * 4]


def test_variants_of_the_photograph_are_scored_once_for_all_its_maps() -> None:
    assert cost_of(FaithfulnessCorrelation(block=2, draws=30)) == [2 * 30]


def test_metrics_that_state_the_same_share_their_scores() -> None:
    assert cost_of(SensitivityN(block=2), Infidelity(block=2)) == [2 * 200, 0]
    assert cost_of(FaithfulnessCorrelation(block=2, draws=50), SensitivityN(block=2)) == [2 * 50, 2 * 150]
    assert cost_of(Saco(block=2), Monotonicity(block=2)) == [2 * MAPS * 10, 0]
    gain = SymmetricRelevanceGain(block=2, steps=5)
    # the end, where all is removed, is the photograph's alone
    assert cost_of(gain, Insertion(block=2, steps=5)) == [2 * MAPS * 8 + 2, 0]
    assert cost_of(gain, Deletion(block=2, steps=5, imputer="blur")) == [2 * MAPS * 8 + 2, 0]
    assert cost_of(gain, Deletion(block=2, steps=5, imputer="zero")) == [2 * MAPS * 8 + 2, 2 * MAPS * 4 + 2]


def test_maps_that_a_metric_reads_alike_are_scored_once() -> None:
    net = Counting()
    judge, cases = judge_of(net)
    alike = [replace(case, saliency=tripled, raws=(tripled,)) for case in cases for tripled in (case.saliency * 3,)]
    metric = SymmetricRelevanceGain(block=2, steps=5)
    list(judge.judge(Saco(block=4, imputer="noise", groups=1), "first", cases))  # what is asked about the model once
    before = net.seen
    measures = {id(case): measure.value for case, measure in judge.judge(metric, "judged", [*cases, *alike])}
    assert net.seen - before == 2 * MAPS * 8 + 2
    assert [measures[id(case)] for case in cases] == [measures[id(case)] for case in alike]
    list(judge.judge(replace(metric, reads="raw"), "raw", [*cases, *alike]))
    assert net.seen - before > 2 * MAPS * 8 + 2, "maps that are read otherwise are others"


@dataclass(frozen=True)
class OfRaws:
    """Reads ranks, and masks by what it was handed beside them: the raw map, or that of the method again."""

    when: str
    again: bool = False
    share: str | None = None

    reads: ClassVar[Policy] = "ranks"
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def needs(self) -> MetricNeeds:
        return MetricNeeds(scores=True, explains=self.again)

    def measure(self, view: MetricView) -> Tensor:
        def mask() -> Tensor:
            return view.explain(view.image) if self.again else view.raws[0]

        early = mask() if self.when == "before" else None

        def make(part: slice) -> Tensor:
            return (view.image * (mask() if early is None else early)).unsqueeze(1)

        return view.rescore(1, make, "logit", self.share).squeeze(2)


@pytest.mark.parametrize("share", [None, "the same"])
@pytest.mark.parametrize("when", ["before", "while variants are made"])
def test_variants_of_raw_maps_are_not_shared_between_maps_of_equal_ranks(when: str, share: str | None) -> None:
    judge, cases = judge_of(Counting())
    cubes = [replace(case, saliency=cubed, raws=(cubed,)) for case in cases for cubed in (case.saliency**3,)]
    assert torch.equal(
        policies.judged(cases[0].saliency[None], "ranks"), policies.judged(cubes[0].saliency[None], "ranks")
    )
    metric = OfRaws(when, share=share)
    measures = {id(case): measure.value for case, measure in judge.judge(metric, "judged", [*cases, *cubes])}
    for case in (*cases, *cubes):
        ((_, alone),) = judge_of(Counting())[0].judge(metric, "judged", [case])
        assert measures[id(case)] == pytest.approx(alone.value, abs=1e-5)


def test_maps_that_are_alike_once_they_are_resized_are_judged_each() -> None:
    judge, cases = judge_of(Counting(), photographs=1)
    one = cases[0]
    other = replace(one, raws=(one.saliency * 2,))  # of several layers each is in units of its own
    metric = OfRaws("before")
    values = [measure.value for _, measure in judge.judge(metric, "judged", [one, other])]
    assert values[1] == pytest.approx(2 * values[0], abs=1e-5)


@pytest.mark.parametrize("when", ["before", "while variants are made"])
def test_variants_of_maps_that_are_explained_again_are_those_of_their_own_method(when: str) -> None:
    net = Counting()
    judge, cases = judge_of(net, methods={"judged": Uniform(), "other": RandomCAM()})
    one = cases[0]
    both = [one, replace(one, row={"evidence": "other"})]
    values = [measure.value for _, measure in judge.judge(OfRaws(when, again=True, share="x"), "judged", both)]
    assert abs(values[0] - values[1]) > 1e-3


def test_quick_costs_what_srg_does_and_two_scores_more() -> None:
    registry = Registry()
    classes = [registry.find("metric", name).cls for name in registry.names("metric")]
    quick = [cls for cls in classes if "quick" in suites_of(cls)]
    several = [cls(**({"block": 2} if hasattr(cls, "block") else {})) for cls in quick if cls.needs.scores]
    assert sum(cost_of(*several)) == 2 * MAPS * (2 * 13 + 2) + 2
    assert sum(cls().explanations for cls in quick if cls.needs.explains) == 1
    assert {cls.family for cls in quick} == {"faithfulness", "randomisation", "complexity"}


def test_values_are_those_of_each_map_alone() -> None:
    metrics = [
        FaithfulnessCorrelation(block=2, draws=20),
        Infidelity(block=2, draws=20),
        SymmetricRelevanceGain(block=2),
    ]
    judge, cases = judge_of(Counting())
    for metric in metrics:
        together = {id(case): measure.value for case, measure in judge.judge(metric, "judged", cases)}
        for case in cases:
            fresh, _ = judge_of(Counting())
            ((_, alone),) = fresh.judge(metric, "judged", [case])
            assert abs(together[id(case)] - alone.value) < 1e-6
