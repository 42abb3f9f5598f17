"""A shard of an evaluation: the stored maps of its photographs, batch by batch, to rows of measures."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch

from xaikit.bench.bench import Bench
from xaikit.bench.loader import Picture
from xaikit.bench.transforms import ArrayTransform
from xaikit.engine.requests import equal
from xaikit.errors import XaikitError
from xaikit.evaluation.cases import Case, StoredMaps, blurred_copy, cases_of, has_target
from xaikit.evaluation.judging import Judge, Measure, Setting
from xaikit.evaluation.others import OtherPhotographs
from xaikit.metric import Metric
from xaikit.passes.nests import first_tensor
from xaikit.passes.raised import error_text
from xaikit.passes.tally import Tally
from xaikit.sources import FileAnnotation, Transform
from xaikit.store.maps import Array
from xaikit.store.measures import MEASURES
from xaikit.store.rows import Failure
from xaikit.store.trials import StoredTrial
from xaikit.targets import PinnedClasses

Row = Mapping[str, Any]


@dataclass(frozen=True)
class LoadedMetric:
    """A metric of the plan, opened.

    name  unique in the run
    """

    id: str
    name: str
    metric: Metric


@dataclass(frozen=True)
class Evaluation:
    """What all batches of a shard have in common.

    metrics   by id
    rows      of the store, by the name of a photograph and evidence
    read      from rows to the raw maps of each by key
    controls  whether a blurred copy of every map is judged beside it
    """

    bench: Bench
    metrics: Mapping[str, LoadedMetric]
    rows: Mapping[tuple[str, str], Sequence[Row]]
    read: Callable[[Sequence[Row], Sequence[str]], Sequence[Mapping[str, Array]]]
    others: OtherPhotographs
    controls: bool
    seed: int

    def batch(
        self, pictures: Sequence[Picture], measures: Sequence[tuple[str, str]], tally: Tally
    ) -> Iterator[dict[str, Any] | Failure]:
        """The rows of some photographs.

        Args:
            measures: evidence and metric.
        """
        wanted = list(dict.fromkeys(evidence for evidence, _ in measures))
        try:
            judge = self._judge(pictures, wanted, tally)
            cases = self._cases(judge, pictures, wanted)
        except (
            Exception
        ) as error:  # whatever a model or a target raises belongs to the photographs that it was raised on
            failures = [self._failure(pictures[0], evidence, error) for evidence in wanted]
        else:
            yield from self._judged(judge, cases, measures, pictures)
            return
        if len(pictures) == 1:
            yield from failures
            return
        for picture in pictures:
            yield from self.batch([picture], measures, tally)

    def _judged(
        self, judge: Judge, cases: Sequence[Case], measures: Sequence[tuple[str, str]], pictures: Sequence[Picture]
    ) -> Iterator[dict[str, Any] | Failure]:
        by_metric: dict[str, set[str]] = defaultdict(set)
        for evidence, metric in measures:
            by_metric[metric].add(evidence)
        for metric, chosen in by_metric.items():
            judged = [case for case in cases if case.row["evidence"] in chosen]
            yield from self._rows(judge, self.metrics[metric], judged, pictures)

    def _judge(self, pictures: Sequence[Picture], evidence: Sequence[str], tally: Tally) -> Judge:
        opened, config = self.bench.opened, self.bench.opened.config
        batch = opened.batch(pictures)
        setting = Setting(
            model=opened.model.module,
            batch=batch,
            requests={key: self.bench.evidence[key] for key in evidence},
            black=black_of(opened.loader.transform, first_tensor(batch.inputs)),
            annotations=[picture.annotation for picture in pictures],
            others=lambda case, count, purpose: self.others.inputs(pictures[case.sample], count, purpose),
            output=config.model.output,
            mode=config.model.mode,
            precision=config.precision,
            seed=self.seed,
            tally=tally,
        )
        return Judge(setting)

    def _cases(self, judge: Judge, pictures: Sequence[Picture], evidence: Sequence[str]) -> list[Case]:
        stored = []
        for sample, picture in enumerate(pictures):
            for key in evidence:
                request, rows = self.bench.evidence[key], self.rows.get((picture.photograph.name, key), ())
                if not rows or not has_target(request.method):
                    continue
                place = next(at for at, target in enumerate(judge.targets) if equal(target, request.target))
                check_target(judge, place, sample, rows)
                keys = self._keys[key]
                (maps,) = self.read(rows[:1], keys)
                stored.append(StoredMaps(sample, place, rows, [maps[each] for each in keys]))
        cases = cases_of(stored, judge.trace.space, self.bench.opened.device)
        return cases + [blurred_copy(case) for case in cases if self._is_blurred(case)]

    def _is_blurred(self, case: Case) -> bool:
        return self.controls and case.row["evidence"] not in control_evidence(self.bench.stored_trials)

    @property
    def _keys(self) -> Mapping[str, tuple[str, ...]]:
        return {trial.evidence: trial.maps for trial in self.bench.stored_trials}

    def _rows(
        self, judge: Judge, loaded: LoadedMetric, cases: Sequence[Case], pictures: Sequence[Picture]
    ) -> Iterator[dict[str, Any] | Failure]:
        try:
            measured = list(judge.judge(loaded.metric, loaded.name, cases))
        except Exception as error:  # a metric is anybody's code
            failure = self._failure(pictures[cases[0].sample], cases[0].row["evidence"], error, loaded.name)
        else:
            for case, measure in measured:
                yield row_of(case, loaded, measure, pictures[case.sample].photograph.annotation)
            return
        middle = len(cases) // 2
        if not middle:
            yield failure
            return
        yield from self._rows(judge, loaded, cases[:middle], pictures)
        yield from self._rows(judge, loaded, cases[middle:], pictures)

    def _failure(self, picture: Picture, evidence: str, error: Exception, metric: str = "all") -> Failure:
        line, details = error_text(error, self.bench.opened.model.module)
        about = (self.bench.opened.key, picture.photograph.name, picture.digest, evidence)
        return Failure(*about, f"metric {metric}: {line}", details, metric=metric)


def control_evidence(trials: Sequence[StoredTrial]) -> frozenset[str]:
    """The evidence of controls alone: of these no further controls are made."""
    others = {trial.evidence for trial in trials if not trial.control}
    return frozenset(trial.evidence for trial in trials) - others


def row_of(case: Case, loaded: LoadedMetric, measure: Measure, stated: FileAnnotation | None) -> dict[str, Any]:
    """What is stored of one value; ``stated`` is what the data states of the photograph."""
    about = ("bench", "evidence", "image", "name", "truth", "column", "checksum")
    return {
        **{name: case.row[name] for name in about},
        "metric": loaded.id,
        "control": case.control,
        "value": measure.value,
        "chance": measure.chance,
        "dead": case.constant,
        "reason": measure.reason,
        "numbers": json.dumps(dict(measure.numbers or {})),
        "seconds": measure.seconds,
        "annotation": "" if stated is None or not loaded.metric.needs.annotations else stated.digest(),
        "commit": time.time_ns(),
    }


def measures_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table, in an order of their own."""
    order = ("name", "evidence", "column", "metric", "control")
    return pa.Table.from_pylist(sorted(rows, key=lambda row: [row[name] for name in order]), schema=MEASURES)


def check_target(judge: Judge, place: int, sample: int, rows: Sequence[Row]) -> None:
    """That what is scored now is what was explained then: the classes, where the target is some.

    Raises:
        XaikitError: another class is the target now.
    """
    pinned = judge.trace.pinned[place]
    if not isinstance(pinned, PinnedClasses):
        return
    classes = pinned.indices[sample].tolist()
    for row in rows:
        stated = row["target"]
        if stated is not None and classes[row["column"]] != stated:
            raise XaikitError(
                f"{row['name']}: expected class {stated}, of which the map is, as the target, got {classes[row['column']]}: "
                "the model answers differently than it did; explain once more with --force"
            )


def black_of(transform: Any, inputs: torch.Tensor) -> torch.Tensor:
    """What 0 of a picture is in units of the model's input, (C, 1, ...); 0 where a transform is somebody's own."""
    channels = inputs.shape[1] if inputs.dim() > 2 else 1
    black = torch.zeros(channels)
    if isinstance(transform, Transform | ArrayTransform):
        values = -torch.tensor(transform.mean) / torch.tensor(transform.std)
        black = values.expand(channels).clone() if len(values) in (1, channels) else black
    return black.reshape(-1, *[1] * (inputs.dim() - 2))
