"""Metrics are judged too: by photographs whose evidence is known, and by maps of a model with random weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xaikit.evaluation.judged import maps_of
from xaikit.evaluation.judging import Measure
from xaikit.evaluation.scenes import LAYER, Exact, Noise, Scene, scene
from xaikit.metric import Metric
from xaikit.needs import Needs
from xaikit.passes.raised import error_text
from xaikit.view import View

PHOTOGRAPHS = 8


@dataclass(frozen=True)
class Half:
    """The evidence, and as much noise on top, in the units of the evidence."""

    needs: ClassVar[Needs] = Exact.needs

    def explain(self, view: View) -> Tensor:
        """(N, T, *S)"""
        truth, noise = Exact().explain(view), Noise().explain(view)
        space = tuple(range(2, truth.dim()))
        return truth + noise / noise.abs().amax(space, keepdim=True) * truth.abs().amax(space, keepdim=True)


@dataclass(frozen=True)
class Worth:
    """What is known of a metric whatever it is used on.

    why    it need not rank the truth first, in its own words; "" where it has to
    ranks  whether the truth is better than half of it, and that than noise; None where nothing can be said
    reacts whether maps of a model with random weights are worse than those of the model that is looked at, likewise
    raised what it raised on the way, after which nothing else is known; "" where it did not
    """

    why: str = ""
    ranks: bool | None = None
    reacts: bool | None = None
    raised: str = ""

    @property
    def fails(self) -> str:
        """What it fails, in a few words; "" where nothing."""
        if self.raised:
            return f"raises on photographs of known evidence ({self.raised})"
        if self.why:
            return ""
        failed = {"ranks noise above known evidence": self.ranks, "does not react to random weights": self.reacts}
        return ", ".join(what for what, passed in failed.items() if passed is False)


def worth_of(metric: Metric) -> Worth:
    """Judge a metric; what it raises on these photographs is part of what is known of it."""
    one = scene(PHOTOGRAPHS)
    try:
        return _worth(metric, one)
    except Exception as error:  # a metric is anybody's code
        line, _ = error_text(error, one.net)
        return Worth(getattr(metric, "no_oracle", ""), raised=line)


def _worth(metric: Metric, one: Scene) -> Worth:
    sign = 1 if metric.higher_is_better else -1
    truth, half, noise = (
        sign * _mean(one.judge(metric, one.maps(method), method)) for method in (Exact(), Half(), Noise())
    )
    of_random = maps_of(Exact(), LAYER, _randomised(one.net), one.images, one.classes, one.ids)
    random = sign * _mean(one.judge(metric, of_random, Exact()))
    ranks = None if any(map(math.isnan, (truth, half, noise))) else truth >= half >= noise and truth > noise
    # who explains again does so by the model itself, whatever the maps are of
    again = metric.needs.explains or metric.needs.model
    reacts = None if again or any(map(math.isnan, (truth, random))) else truth > random
    return Worth(getattr(metric, "no_oracle", ""), ranks, reacts)


def _randomised(net: nn.Module) -> nn.Module:
    copy, draw = deepcopy(net), torch.Generator().manual_seed(0)
    for value in copy.parameters():
        value.data.copy_(torch.randn(value.shape, generator=draw, dtype=value.dtype))
    return copy


def _mean(measures: Sequence[Measure]) -> Any:
    values = [each.value for each in measures if not math.isnan(each.value)]
    return sum(values) / len(values) if values else math.nan
