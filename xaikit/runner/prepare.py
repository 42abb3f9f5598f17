"""A run before its first shard: benches opened and probed, and the plan that freezes what is to be done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa

from xaikit._version import __version__
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
from xaikit.planning.measures import missing_measures, stored_metrics
from xaikit.planning.missing import MissingEvidence, StoredResults, find_missing
from xaikit.planning.planned import Plan, PlannedBench
from xaikit.planning.shards import Job, Shard, cut, cut_measures, rounds
from xaikit.registry import Registry
from xaikit.report.index import Index
from xaikit.report.sheets import MOST_ROWS, MOST_TRIALS, pages_of
from xaikit.runner.executors import Executor
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import Config
from xaikit.sources import Photograph
from xaikit.store.measures import StoredMetric
from xaikit.store.names import DataName, data_of, model_of, stems_of_places
from xaikit.store.rows import committed_now, identity_of
from xaikit.store.store import Store
from xaikit.store.trials import StoredTrial, to_table
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

    def plan(self, missing: Sequence[MissingEvidence] | None = None) -> Plan:
        """What is to be computed of what is missing; of everything by default."""
        counts = [each.photographs for each in missing] if missing else [len(each.photographs) for each in self.benches]
        benches = [bench.plan.of_missing(count) for bench, count in zip(self.benches, counts, strict=True)]
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
        benches = tuple(_prepare_bench(opened(place), group.metrics) for place, group in enumerate(bench_groups))
    names = tuple(tuple(photograph.name for photograph in bench.photographs) for bench in benches)
    draws = _draws(config, len(points), sum(bench.plan.overlays for bench in benches))
    job = Job(config, bench_groups, folder_of(config), threads, draws, tuple(bench.key for bench in benches), names)
    metrics = stored_metrics(bench_groups, registry, base)
    return PreparedRun(job, len(points), executor, registry, opened, benches, metrics)


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


def _prepare_bench(bench: Bench, metrics: Sequence[NamedMetric]) -> PreparedBench:
    opened = bench.opened
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
        plan=plan_bench(bench, seconds, picture_costs(picture, opened.config.report)),
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


def freeze_plan(run: PreparedRun, store: Store, missing: Sequence[MissingEvidence]) -> None:
    """Write the plan to the folder, and take over what that holds under other names."""
    config = run.config
    plan = {
        "config": config.written(),
        "base": config.base,
        "version": __version__,
        "device": config.device,
        "threads": run.job.threads,
        "batch_size": config.data.batch_size,
        "shard": config.report.shard,
        "maps": config.report.maps,
        "points": run.points,
        "chunks": [bench.plan.chunks for bench in run.benches],
        "benches": list(run.job.keys),
        "metrics": [metric.plain() for metric in run.metrics],
    }
    tables = [_photographs(*each) for each in zip(run.benches, missing, _stems(run, store), strict=True)]
    store.write_plan(plan, to_table(run.trials()), pa.concat_tables(tables))
    for bench, each in zip(run.benches, missing, strict=True):
        _adopt(store, bench.key, each.adopted)


def _stems(run: PreparedRun, store: Store) -> list[list[str]]:
    """By bench, the stem of each photograph. Photographs of one name have one stem if they are of the same data."""
    of_benches = [[DataName(data_of(bench.key), each.name) for each in bench.photographs] for bench in run.benches]
    # the pictures of photographs that the folder has already lie under their stems
    existing = {DataName(data_of(row["bench"]), row["name"]): row["stem"] for row in _stored_photographs(store)}
    chosen = stems_of_places([place for places in of_benches for place in places], existing)
    return [[chosen[place] for place in places] for places in of_benches]


def _stored_photographs(store: Store) -> list[dict[str, Any]]:
    """Those of the plan before; none where that is new, or lost."""
    try:
        rows: list[dict[str, Any]] = store.photographs().to_pylist()
    except DamagedFile:
        return []
    return rows


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


def measure_shards(run: PreparedRun, share: tuple[int, int] | None = None) -> list[Shard]:
    """The work of judging the maps that the folder holds by now, in its order; ``share`` as in :func:`shards_of`."""
    if not run.metrics:
        return []
    index, config = Index(Store.open(run.job.folder)), run.config
    sizes = {"batch_size": config.data.batch_size, "shard_size": config.report.shard}
    shards: list[Shard] = []
    for place, bench in enumerate(run.benches):
        metrics = [metric for metric in run.metrics if metric.id in bench.metrics]
        missing = missing_measures(index, bench.key, bench.photographs, bench.judged, metrics, config.controls)
        shards += cut_measures(place, missing, **sizes)
    return [shard for shard in shards if share is None or shard.number % share[1] == share[0] - 1]


def _photographs(bench: PreparedBench, missing: MissingEvidence, chosen: Sequence[str]) -> pa.Table:
    names = [photograph.name for photograph in bench.photographs]
    return pa.table(
        {
            "bench": pa.array([bench.key] * len(names), pa.string()),
            "position": pa.array(range(len(names)), pa.int64()),
            "name": pa.array(names, pa.string()),
            "stem": pa.array(chosen, pa.string()),
            "image": pa.array([missing.digests.get(name) for name in names], pa.string()),
            "truth": pa.array(missing.truths, pa.int32()),
            "truth_name": pa.array(map(_truth_name, bench.photographs, missing.truths, repeat(bench)), pa.string()),
        }
    )


def _truth_name(photograph: Photograph, truth: int | None, bench: PreparedBench) -> str:
    """The class that the data states in words: the model's where it knows that class, else those of the data."""
    return str(photograph.label or "") if truth is None else bench.loader.classes.name(truth)


def _adopt(store: Store, bench: str, rows: pa.Table) -> None:
    if rows.num_rows:
        files: dict[str, Any] = {}
        for bench_of_file in dict.fromkeys(file.split("/")[1] for file in rows["file"].unique().to_pylist()):
            for part in store.parts(bench_of_file):
                files |= store.files(part)
        about = {"files": {file: files[file] for file in dict.fromkeys(rows["file"].to_pylist())}}
        name = f"shards/{bench}/adopted-{identity_of(rows)[:16]}.parquet"
        store.write_part(name, committed_now(rows), about)
