"""One batch of photographs with all their stored maps, judged by metrics."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from xaikit._numeric import exact
from xaikit.draws import SampleGenerator, generator, seeded
from xaikit.engine import Batch, Request
from xaikit.engine.session import distinct
from xaikit.errors import DataError, PluginContract, is_count
from xaikit.evaluation.again import CaseExplainer, one_class
from xaikit.evaluation.cases import Case
from xaikit.evaluation.policies import judged
from xaikit.evaluation.scoring import KINDS, ScoreCache, Scorer
from xaikit.evidence.observe import observe
from xaikit.evidence.pinned import pin, readout_of
from xaikit.evidence.taps import INPUT
from xaikit.evidence.trace import Trace
from xaikit.metric import Annotation, MakeVariants, Metric, MetricView, Policy, Scored, VariantsOf, reads_of
from xaikit.passes.chunks import rows_of_inputs
from xaikit.passes.modes import Mode
from xaikit.passes.nests import copied, first_tensor
from xaikit.passes.process import as_before
from xaikit.passes.tally import Tally
from xaikit.reruns.context import PassContext
from xaikit.schema.sections import Precision
from xaikit.store.maps import MapFormat

Others = Callable[[Case, int, str], Tensor]
"""``others(case, count, purpose)``: other photographs (count, C, *S) for a case, as the model takes them."""


MOST_AGAIN = 256
"""Cases that a metric sees at a time which explains again: all methods at one input, and all photographs by one method, share
passes then. One that only scores sees as many as go through the model at once."""


@dataclass(frozen=True)
class Measure:
    """What a metric says of a case.

    value    NaN where there is none
    chance   what a map gets that knows nothing, NaN where that is not known
    reason   why there is no value
    numbers  what was kept beside it
    seconds  that it took
    """

    value: float
    chance: float = math.nan
    reason: str = ""
    numbers: Mapping[str, float | list[float]] | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Setting:
    """What cases are judged in: the model, the batch, and what the config says.

    requests     by evidence
    black        (C, 1, ...) of the model's input
    annotations  a photograph each
    stored_as    how the maps that are judged were stored; None where they were not
    """

    model: nn.Module
    batch: Batch
    requests: Mapping[str, Request]
    black: Tensor
    annotations: Sequence[Annotation | None]
    others: Others
    output: str | int
    mode: Mode
    precision: Precision
    seed: int
    tally: Tally
    stored_as: MapFormat | None = None


class Judge:
    """Judges the cases of one batch; the clean pass is made once, by whoever needs it first is of no account."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.targets = distinct(request.target for request in setting.requests.values())
        self._readout = readout_of(self.targets, setting.output, setting.mode)
        self.trace = self._observed()
        self._caches: dict[int, ScoreCache] = {}

    def _observed(self) -> Trace:
        setting = self._setting
        return observe(
            setting.model,
            setting.batch.inputs,
            (),
            lambda output: [pin(target, output, copied(setting.batch.labels)) for target in self.targets],
            gradients=False,
            readout=self._readout,
            tally=setting.tally,
            input_layout=setting.batch.input_layout,
        )

    def judge(self, metric: Metric, name: str, cases: Sequence[Case]) -> Iterator[tuple[Case, Measure]]:
        """What a metric says of each case, in any order. Cases with equal maps are judged once, where nothing is explained again.

        Raises:
            Exception: whatever the metric raises.
        """
        again = metric.needs.explains or metric.needs.model
        groups: dict[Any, list[Case]] = {}
        for case in cases:
            if not case.finite:
                yield case, Measure(math.nan, reason="the map has values that are not finite")
                continue
            key = (case.row["evidence"], case.control, case.identity) if again else case.identity
            groups.setdefault(key, []).append(case)
        size = MOST_AGAIN if again else rows_of_inputs(first_tensor(self._setting.batch.inputs)[:1])
        for several in self._views([each[0] for each in groups.values()], size):
            began = time.perf_counter()
            measures = self._measure(metric, name, several)
            seconds = (time.perf_counter() - began) / len(several)
            for case, measure in zip(several, measures, strict=True):
                key = (case.row["evidence"], case.control, case.identity) if again else case.identity
                yield from ((one, _timed(measure, seconds / len(groups[key]))) for one in groups[key])

    def _views(self, cases: Iterable[Case], size: int) -> Iterator[list[Case]]:
        """Cases that are looked at together: of one target, with maps of one shape, at most so many."""
        alike: dict[Any, list[Case]] = {}
        for case in cases:
            alike.setdefault((case.place, tuple(tuple(raw.shape) for raw in case.raws)), []).append(case)
        for several in alike.values():
            yield from (several[start : start + size] for start in range(0, len(several), size))

    def _measure(self, metric: Metric, name: str, cases: Sequence[Case]) -> list[Measure]:
        try:
            return self._measured(metric, name, cases)
        except DataError as error:  # what a metric asks for is not in the data
            if len(cases) == 1:
                return [Measure(math.nan, reason=str(error))]
        return [measure for case in cases for measure in self._measure(metric, name, [case])]

    def _measured(self, metric: Metric, name: str, cases: Sequence[Case]) -> list[Measure]:
        view = self._view(metric, name, cases)
        with torch.no_grad(), as_before(name):
            values = metric.measure(view)
            if not isinstance(values, Tensor) or values.shape != view.shape[:2]:
                got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
                raise PluginContract(f"{name}: expected values of shape (N, T), {tuple(view.shape[:2])}, got {got}")
            chances = _chance_of(metric, view)
            _check_kept(view, name)
        return [
            Measure(value, chance, "" if math.isfinite(value) else _reason(view, row), _numbers(view, row))
            for row, (value, chance) in enumerate(zip(values[:, 0].tolist(), chances[:, 0].tolist(), strict=True))
        ]

    def _view(self, metric: Metric, name: str, cases: Sequence[Case]) -> MetricView:
        setting, policy = self._setting, reads_of(metric)
        context = PassContext(
            setting.model,
            self.trace.narrowed([cases[0].place], ()),
            INPUT,
            self._readout,
            setting.tally,
            setting.precision,
            setting.batch.shared,
        )
        maps = judged(torch.stack([case.saliency for case in cases]), policy).to(exact(cases[0].raws[0]).dtype)
        scorer = Scorer(context, cases, maps, self._caches.setdefault(cases[0].place, ScoreCache()))
        explainer = CaseExplainer(context, setting.batch, setting.requests, self._readout, setting.stored_as)
        image = self.trace.input_layout.to_map(first_tensor(setting.batch.inputs))
        samples = torch.tensor([case.sample for case in cases], device=image.device)
        return MetricView(
            maps=maps.unsqueeze(1),
            image=image[samples].clone(),
            black=setting.black.to(image).clone(),
            _annotations=tuple(setting.annotations[case.sample] for case in cases),
            _needs=metric.needs,
            _further=FurtherPasses(setting, scorer, explainer, policy, repr(metric)),
        )


@dataclass(frozen=True)
class FurtherPasses:
    """See the methods of :class:`xaikit.metric.MetricView` of the same names; ``metric`` is what tells it from all others."""

    setting: Setting
    scorer: Scorer
    explainer: CaseExplainer
    policy: Policy
    metric: str

    def raws(self) -> tuple[Tensor, ...]:
        self.scorer.handed.add("raws")
        raws = zip(*(case.raws for case in self.scorer.cases), strict=True)
        return tuple(torch.stack(each).unsqueeze(1) for each in raws)

    def score(self, scored: Scored) -> Tensor:
        return self.scorer.clean(scored)

    def rescore(self, count: int, make: MakeVariants, scored: Scored, share: Any, of: VariantsOf) -> Tensor:
        if not is_count(count, 1):
            raise PluginContract(f"rescore: expected one variant or more, got {count}")
        if scored not in KINDS:
            raise PluginContract(f"rescore: expected one of {', '.join(KINDS)}, got {scored!r}")
        return self.scorer.rescore(count, make, scored, None if share is None else (of, share), of)

    def explain(self, inputs: Tensor) -> Tensor:
        return self._as_read(self.explainer.maps(self.scorer.cases, inputs))

    def classes(self) -> tuple[Tensor, int]:
        cases, one = self.scorer.cases, one_class(self.scorer.context)
        if one is None:
            return torch.full((len(cases), 1), -1), 0
        indices, count = one
        return torch.stack([indices[case.sample, case.column] for case in cases]).unsqueeze(1), count

    def explain_class(self, classes: Tensor) -> Tensor:
        cases, nowhere = self.scorer.cases, classes.flatten() < 0
        if nowhere.all():
            return torch.full_like(self.scorer.maps, torch.nan).unsqueeze(1)
        maps = self.explainer.maps(cases, self._images, classes=classes.flatten().clamp(min=0).tolist())
        maps[nowhere.to(maps.device)] = torch.nan
        return self._as_read(maps)

    def explain_with(self, model: nn.Module, inputs: Tensor | None) -> Tensor:
        images = self._images if inputs is None else inputs
        return self._as_read(self.explainer.maps(self.scorer.cases, images, model))

    def _as_read(self, maps: Tensor) -> Tensor:
        """Maps (N, *S) at the size of the input as the metric reads them, (N, T, *S)."""
        self.scorer.handed.add("explained")
        return judged(maps, self.policy).to(self.scorer.maps).unsqueeze(1)

    @property
    def _images(self) -> Tensor:
        image = self.scorer.context.trace.input_layout.to_map(first_tensor(self.setting.batch.inputs))
        return image[[case.sample for case in self.scorer.cases]]

    def copied_model(self) -> nn.Module:
        return copy.deepcopy(self.setting.model)

    def output_of(self, model: nn.Module, inputs: Tensor) -> Any:
        return self.explainer.outputs(self.scorer.cases, inputs, model)

    def others(self, count: int, purpose: str) -> Tensor:
        return torch.stack([self.setting.others(case, count, purpose) for case in self.scorer.cases])

    def stream(self, purpose: str) -> SampleGenerator:
        cases, ids = self.scorer.cases, self.setting.batch.ids
        whose = purpose or f"metric {self.metric}"
        samples = [f"{ids[case.sample]}|{case.column}" for case in cases]
        return seeded(f"{self.setting.seed}|{whose}", samples, self.scorer.maps)

    def case(self, row: int) -> FurtherPasses:
        return replace(self, scorer=self.scorer.case(row))

    def weights(self, purpose: str) -> torch.Generator:
        return generator(f"{self.setting.seed}|weights {purpose}")


def _chance_of(metric: Metric, view: MetricView) -> Tensor:
    """What maps get that know nothing, (N, T); NaN where a metric does not say. Raises PluginContract for another shape."""
    chance: Any = getattr(metric, "chance", None)
    value: Any = chance(view) if callable(chance) else float("nan") if chance is None else float(chance)
    filled: Tensor = value if hasattr(value, "shape") else view.maps.new_full(view.shape[:2], value)
    if filled.shape != view.shape[:2]:
        raise PluginContract(f"chance: expected (N, T) {tuple(view.shape[:2])}, got {tuple(filled.shape)}")
    return filled


def _check_kept(view: MetricView, name: str) -> None:
    for kept, values in view.numbers.items():
        if tuple(values.shape[:2]) != view.shape[:2]:
            got = tuple(values.shape)
            raise PluginContract(
                f"{name}: keep({kept!r}): expected (N, T), {view.shape[:2]}, or (N, T, count), got {got}"
            )


def _timed(measure: Measure, seconds: float) -> Measure:
    return Measure(measure.value, measure.chance, measure.reason, measure.numbers, seconds)


def _reason(view: MetricView, row: int) -> str:
    reasons = [reason for reason, where in view.reasons if bool(where[row].any())]
    return "; ".join(dict.fromkeys(reasons)) or "no reason was given"


def _numbers(view: MetricView, row: int) -> dict[str, float | list[float]]:
    return {name: values[row, 0].tolist() for name, values in view.numbers.items()}
