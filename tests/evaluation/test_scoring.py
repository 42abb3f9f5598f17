"""Scores of variants: the model sees what several maps or metrics ask for once."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from xaikit.engine import Batch, Request
from xaikit.evaluation.cases import Case
from xaikit.evaluation.judged import ChosenClasses
from xaikit.evaluation.judging import Judge, Setting
from xaikit.evaluation.policies import digest_of
from xaikit.metric import Metric
from xaikit.passes.tally import Tally
from xaikit_cams.gradcam import GradCAM
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


def judge_of(net: nn.Module, photographs: int = 2) -> tuple[Judge, list[Case]]:
    """A batch, and several maps of each photograph."""
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(photographs, 1, 8, 8, generator=draw)
    target = ChosenClasses((0,) * photographs)
    setting = Setting(
        model=net,
        batch=Batch(images, tuple(map(str, range(photographs)))),
        requests={"judged": Request("judged", "judged", GradCAM(), (), target, None, 0)},
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
        Case(sample, 0, 0, (each,), each, digest_of(each), False, True, {"evidence": "judged"})
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
    alike = [
        replace(case, saliency=tripled, raws=(tripled,), digest=digest_of(tripled))
        for case in cases
        for tripled in (case.saliency * 3,)
    ]
    metric = SymmetricRelevanceGain(block=2, steps=5)
    list(judge.judge(Saco(block=4, imputer="noise", groups=1), "first", cases))  # what is asked about the model once
    before = net.seen
    measures = {id(case): measure.value for case, measure in judge.judge(metric, "judged", [*cases, *alike])}
    assert net.seen - before == 2 * MAPS * 8 + 2
    assert [measures[id(case)] for case in cases] == [measures[id(case)] for case in alike]
    list(judge.judge(replace(metric, reads="raw"), "raw", [*cases, *alike]))
    assert net.seen - before > 2 * MAPS * 8 + 2, "maps that are read otherwise are others"


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
