"""A run before its first shard: benches opened and probed, and the plan that freezes what is to be done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xaikit.bench.bench import Bench
from xaikit.bench.loader import Loader
from xaikit.bench.opened import device_for
from xaikit.bench.timing import first_picture, picture_costs, seconds_of
from xaikit.errors import ConfigError, DamagedFile
from xaikit.evaluation.cases import has_target
from xaikit.finish import build_finish
from xaikit.passes.process import torch_threads
from xaikit.planning.benches import Benches, bench_cache
from xaikit.planning.costs import plan_bench
from xaikit.planning.judging import plan_evaluation
from xaikit.planning.measures import load_metrics, missing_measures, stored_metrics
from xaikit.planning.missing import MissingEvidence, StoredResults, find_missing
from xaikit.planning.planned import Plan, PlannedBench
from xaikit.planning.shards import Job, Shard, cut, cut_measures, rounds
from xaikit.registry import Registry
from xaikit.report.boxes import check_boxes
from xaikit.report.index import Index
from xaikit.report.sheets import MOST_ROWS, MOST_TRIALS, pages_of
from xaikit.runner.executors import Executor
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import Config
from xaikit.sources import Photograph
from xaikit.store.measures import StoredMetric
from xaikit.store.names import model_of
from xaikit.store.store import Store
from xaikit.store.trials import StoredTrial
from xaikit.targets import needs_labels
from xaikit.trials.expansion import expand
from xaikit.trials.metric import NamedMetric
from xaikit.trials.placement import Group, groups


@dataclass(frozen=True)
class PreparedBench:
    """What a run remembers of a bench when its model may have been closed again.

    labelled  the evidence that is of the class that the data states
    plan      for all of its photographs
    metrics   what judges its maps, by id
    judged    the evidence whose maps are of targets, so that they can be judged
    """

    key: str
    photographs: tuple[Photograph, ...]
    loader: Loader
    trials: tuple[StoredTrial, ...]
    evidence: tuple[str, ...]
    labelled: frozenset[str]
    weights: str
    origin: str
    plan: PlannedBench
    metrics: tuple[str, ...] = ()
    judged: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PreparedRun:
    """A config on its benches.

    points  of the sweep
    opened  the benches of this process
    benches one a group
    """

    job: Job
    points: int
    executor: Executor
    registry: Registry
    opened: Benches
    benches: tuple[PreparedBench, ...]
    metrics: tuple[StoredMetric, ...] = ()

    @property
    def config(self) -> Config:
        """With the device that the plan has fixed."""
        return self.job.config

    def trials(self) -> tuple[StoredTrial, ...]:
        """Those of all benches."""
        return tuple(trial for bench in self.benches for trial in bench.trials)

    def plan(self, missing: Sequence[MissingEvidence] | None = None, unjudged: Sequence[int] | None = None) -> Plan:
        """What is to be computed of what is missing, and judged of so many photographs a bench; of everything by default."""
        everything = [len(each.photographs) for each in self.benches]
        counts = [each.photographs for each in missing] if missing else everything
        parts = zip(self.benches, counts, unjudged or counts, strict=True)
        benches = [bench.plan.of_missing(count, judging) for bench, count, judging in parts]
        if not self.job.draws:
            benches = [replace(bench, drawing=None) for bench in benches]
            unasked = self.config.report.overlays == "auto"
            pictures = sum(bench.plan.overlays for bench in self.benches)
            undrawn = (
                f"no pictures: a sweep of {pictures:,} overlays; report.overlays=true draws them" if unasked else ""
            )
            return Plan(tuple(benches), self.points, self.job.folder, undrawn=undrawn)
        return Plan(tuple(benches), self.points, self.job.folder, (), *self._sheet())

    def _sheet(self) -> tuple[int, int]:
        """Pages of the contact sheet, and their bytes."""
        style = self.config.report
        trials = {trial.name for trial in self.trials()}
        rows = max(bench.plan.overlays // max(1, len(bench.trials)) for bench in self.benches)
        cells = min(rows, MOST_ROWS) * (min(len(trials), MOST_TRIALS) + 1)
        cell = max(bench.plan.drawing.cell if bench.plan.drawing else 0 for bench in self.benches)
        return pages_of(rows, len(trials), style), cells * cell


def folder_of(config: Config) -> str:
    """Where a run is written to."""
    return config.report.to or f"runs/{config.name}"


def prepare(config: Config, registry: Registry, frozen: Mapping[str, Any]) -> PreparedRun:
    """Open and probe every bench of a config.

    Args:
        frozen: the plan of an earlier sitting at the same config: its device and threads hold; empty where there is none.

    Raises:
        ConfigError, DataError, LayerNotFound, TapError, Disconnected: found before anything is computed or written.
    """
    base = Path(config.base).resolve()
    executor: Executor = instantiate("executor", config.executor, registry, base)
    device = frozen.get("device") or str(device_for(config))
    points = expand(config, registry)
    config = replace(config, base=str(base), device=device, loaded=None)  # what goes to workers needs no points
    bench_groups = groups(points)
    _check_map_format(config, bench_groups, registry)
    Store.check_free(folder_of(config))
    threads = int(frozen.get("threads") or executor.thread_count())
    opened = bench_cache(config, bench_groups, registry)
    with torch_threads(threads):
        benches = tuple(
            _prepare_bench(opened(place), group.metrics, registry) for place, group in enumerate(bench_groups)
        )
    if config.report.boxes is not None:
        check_boxes(trial for bench in benches for trial in bench.trials)
    names = tuple(tuple(photograph.name for photograph in bench.photographs) for bench in benches)
    draws = _draws(config, len(points), sum(bench.plan.overlays for bench in benches))
    job = Job(config, bench_groups, folder_of(config), threads, draws, tuple(bench.key for bench in benches), names)
    metrics = stored_metrics(bench_groups, registry, base, _earlier_metrics(folder_of(config)))
    return PreparedRun(job, len(points), executor, registry, opened, benches, metrics)


def _earlier_metrics(folder: str) -> tuple[StoredMetric, ...]:
    """Those of the plan that a folder has; none where that is new, lost or of another version."""
    store = Store.look(folder)
    try:
        return () if store is None else tuple(StoredMetric(**each) for each in store.plan().get("metrics", ()))
    except (DamagedFile, TypeError):
        return ()


def _check_map_format(config: Config, bench_groups: Sequence[Group], registry: Registry) -> None:
    """That maps which are stored without their negative part need none. Raises ConfigError, naming the trials that do."""
    if config.report.maps != "uint8":
        return
    base = Path(config.base)
    trials = [each for group in bench_groups for each in group.placed]
    needing = [each.name for each in trials if not build_finish(each.trial.finish, registry, base).drops_negative]
    if needing:
        more = f" and {len(needing) - 3} more" if len(needing) > 3 else ""
        raise ConfigError(
            f"report.maps: uint8 keeps what a ReLU leaves, got {', '.join(needing[:3])}{more} without one; "
            "write maps: float16, or finish: {rectify: relu}"
        )


MOST_UNASKED = 1000
"""Overlays that a sweep draws where nobody has asked for them."""


def _draws(config: Config, points: int, overlays: int) -> bool:
    if config.report.overlays == "auto":
        return points == 1 or overlays <= MOST_UNASKED
    return config.report.overlays


def _prepare_bench(bench: Bench, metrics: Sequence[NamedMetric], registry: Registry) -> PreparedBench:
    opened = bench.opened
    loaded = load_metrics(metrics, registry, Path(opened.config.base))
    picture, reading = first_picture(bench)
    seconds = seconds_of(bench, picture) + reading / max(1, opened.config.data.workers)
    return PreparedBench(
        key=opened.key,
        photographs=opened.photographs,
        loader=opened.loader,
        trials=bench.stored_trials,
        evidence=tuple(bench.evidence),
        labelled=frozenset(key for key, request in bench.evidence.items() if needs_labels(request.target)),
        weights=opened.weights,
        origin=opened.model.origin,
        plan=plan_bench(
            bench, seconds, picture_costs(picture, opened.config.report), plan_evaluation(bench, loaded, picture)
        ),
        metrics=tuple(each.metric.id for each in metrics),
        judged=frozenset(key for key, request in bench.evidence.items() if has_target(request.method)),
    )


def missing_of(run: PreparedRun, store: Store) -> tuple[MissingEvidence, ...]:
    """What the folder misses of each bench."""
    evidence: dict[str, set[str]] = defaultdict(set)
    for bench in run.benches:
        evidence[model_of(bench.key)].update(bench.evidence)
    stored = {model: StoredResults(store, model, wanted) for model, wanted in evidence.items()}
    return tuple(
        find_missing(
            stored[model_of(bench.key)], bench.key, bench.photographs, bench.loader, bench.evidence, bench.labelled
        )
        for bench in run.benches
    )


def shards_of(
    run: PreparedRun, missing: Sequence[MissingEvidence], share: tuple[int, int] | None = None
) -> list[Shard]:
    """The work in its order; ``share`` (i, n) keeps every n-th window of photographs, from the i-th on (from 1)."""
    config = run.config
    sizes = {"batch_size": config.data.batch_size, "shard_size": config.report.shard}
    shards = [
        shard
        for place, (bench, each) in enumerate(zip(run.benches, missing, strict=True))
        for shard in cut(place, each.missing, order=bench.evidence, **sizes)
        if share is None or shard.number % share[1] == share[0] - 1
    ]
    return rounds(shards, together=config.budget is not None)


def unjudged_of(run: PreparedRun, store: Store | None, missing: Sequence[MissingEvidence] | None) -> list[int]:
    """How many photographs of each bench have maps to be judged, those among them that are to be made first."""
    if not run.metrics or store is None or missing is None:
        return [len(bench.photographs) if run.metrics else 0 for bench in run.benches]
    measures = _missing_measures(run, store)
    return [
        sum(bool(evidence or judging) for evidence, judging in zip(lacking.missing, each, strict=True))
        for lacking, each in zip(missing, measures, strict=True)
    ]


def _missing_measures(run: PreparedRun, store: Store) -> list[list[frozenset[tuple[str, str]]]]:
    index = Index(store)
    return [
        missing_measures(
            index,
            bench.key,
            bench.photographs,
            bench.judged,
            [metric for metric in run.metrics if metric.id in bench.metrics],
            run.config.controls,
        )
        for bench in run.benches
    ]


def measure_shards(run: PreparedRun, share: tuple[int, int] | None = None) -> list[Shard]:
    """The work of judging the maps that the folder holds by now, in its order; ``share`` as in :func:`shards_of`."""
    if not run.metrics:
        return []
    sizes = {"batch_size": run.config.data.batch_size, "shard_size": run.config.report.shard}
    missing = enumerate(_missing_measures(run, Store.open(run.job.folder)))
    shards = [shard for place, each in missing for shard in cut_measures(place, each, **sizes)]
    return [shard for shard in shards if share is None or shard.number % share[1] == share[0] - 1]
