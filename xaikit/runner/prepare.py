"""A run before its first shard: benches opened and probed, what is missing, and the plan that freezes it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from xaikit._version import __version__
from xaikit.bench.bench import Bench, is_labelled
from xaikit.bench.loader import Loader
from xaikit.bench.probe import retrace
from xaikit.bench.resolve import pick_device
from xaikit.config import Config, Use, instantiate
from xaikit.errors import ConfigError
from xaikit.registry import Registry
from xaikit.runner.costs import Plan, PlannedBench, model_name, planned
from xaikit.runner.executors import Executor
from xaikit.runner.missing import MissingEvidence, find_missing
from xaikit.runner.shards import Job, Shard, cut, rounds
from xaikit.runner.worker import Worker, threads
from xaikit.sources import Photograph
from xaikit.store import Store
from xaikit.store.claiming import check_free
from xaikit.store.folder import folder_of as store_folder
from xaikit.store.names import stems
from xaikit.store.trials import StoredTrial, to_table
from xaikit.trials.expansion import expand
from xaikit.trials.placement import Group, NamedTrial, groups


@dataclass(frozen=True)
class PreparedBench:
    """What a run remembers of a bench when its model may have been closed again."""

    key: str
    photographs: tuple[Photograph, ...]
    loader: Loader
    trials: tuple[StoredTrial, ...]
    evidence: tuple[str, ...]
    labelled: frozenset[str]
    weights: str
    origin: str
    transform: str
    seconds: float
    bench_plan: PlannedBench


@dataclass(frozen=True)
class PreparedRun:
    """A config on its benches.

    config    with the device that the plan has fixed
    worker    of this process, with the models that are open
    surveyed  one a group
    """

    config: Config
    points: int
    executor: Executor
    worker: Worker
    surveyed: tuple[PreparedBench, ...]

    def stored(self) -> tuple[StoredTrial, ...]:
        """The trials of all benches."""
        return tuple(trial for surveyed in self.surveyed for trial in surveyed.trials)

    def plan(self, missing: Sequence[int] | None = None) -> Plan:
        """What is to be computed, where so many photographs of each bench miss something (all of them by default)."""
        counts = missing or [len(surveyed.photographs) for surveyed in self.surveyed]
        benches = (
            replace(
                each.bench_plan,
                done=len(each.photographs) - count,
                seconds=each.seconds * count,
                disk=each.bench_plan.disk * count // max(len(each.photographs), 1),
            )
            for each, count in zip(self.surveyed, counts, strict=True)
        )
        return Plan(tuple(benches), self.points, folder_of(self.config))


def folder_of(config: Config) -> str:
    """Where a run is written to."""
    return config.report.to or f"runs/{config.name}"


def survey(config: Config, registry: Registry, frozen: Mapping[str, Any]) -> PreparedRun:
    """Open and probe every bench of a config.

    Args:
        frozen: the plan of an earlier sitting at the same config: its device and threads hold; empty where there is none.

    Raises:
        ConfigError, DataError, LayerNotFound, TapError, Disconnected: found before anything is computed or written.
    """
    base = str(Path(config.base).resolve())
    executor: Executor = instantiate("executor", config.executor, registry, Path(base))
    device = frozen.get("device") or str(pick_device(config.device))
    config = replace(config, base=base, device=device)
    points = expand(config, registry)
    placed = groups(points)
    _check_map_format(config, placed, registry)
    check_free(store_folder(folder_of(config)))
    job = Job(config, placed, folder_of(config), int(frozen.get("threads") or executor.thread_count()))
    worker = Worker(job)
    with threads(job.threads):
        surveyed = tuple(_surveyed(worker.bench(index), group) for index, group in enumerate(placed))
    return PreparedRun(config, len(points), executor, worker, surveyed)


def _check_map_format(config: Config, placed: Sequence[Group], registry: Registry) -> None:
    """That maps which are kept without their negative part need none. Raises ConfigError, naming the trials that do."""
    if config.report.maps != "uint8":
        return
    base = Path(config.base)
    trials = [each for group in placed for each in group.placed]
    needing = [each.name for each in trials if not _drops_negative(each.trial.finish.rectify, registry, base)]
    if needing:
        more = f" and {len(needing) - 3} more" if len(needing) > 3 else ""
        raise ConfigError(
            f"report.maps: uint8 keeps what a ReLU leaves, got {', '.join(needing[:3])}{more} without one; "
            "write maps: float16, or finish: {rectify: relu}"
        )


def _drops_negative(rectify: Use, registry: Registry, base: Path) -> bool:
    return rectify.use != "none" and bool(instantiate("rectifier", rectify, registry, base).drops_negative)


def missing_of(project: PreparedRun, store: Store) -> tuple[MissingEvidence, ...]:
    """What the folder misses of each bench."""
    return tuple(
        find_missing(store, each.key, each.photographs, each.loader, each.evidence, each.labelled)
        for each in project.surveyed
    )


def settle(project: PreparedRun, store: Store, todos: Sequence[MissingEvidence]) -> None:
    """Freeze the plan in the folder, take over what it holds under other names, and tell the worker the rest of the job."""
    known = _known_stems(store)
    found = tuple(stems([p.name for p in each.photographs], known) for each in project.surveyed)
    tables = [
        _photographs(each, named, done.digests)
        for each, named, done in zip(project.surveyed, found, todos, strict=True)
    ]
    config, job = project.config, project.worker.job
    plan = {
        "config": config.plain(),
        "version": __version__,
        "device": config.device,
        "threads": job.threads,
        "batch_size": config.data.batch_size,
        "shard": config.report.shard,
        "maps": config.report.maps,
        "points": project.points,
        "chunks": [each.bench_plan.chunks for each in project.surveyed],
        "benches": [each.key for each in project.surveyed],
    }
    store.write_plan(plan, to_table(project.stored()), pa.concat_tables(tables))
    for each, done in zip(project.surveyed, todos, strict=True):
        _adopt(store, each.key, done)
    names = tuple(tuple(photograph.name for photograph in each.photographs) for each in project.surveyed)
    keys = tuple(each.key for each in project.surveyed)
    project.worker.job = replace(job, keys=keys, names=names, stems=found)


def shards_of(
    project: PreparedRun, todos: Sequence[MissingEvidence], share: tuple[int, int] | None = None
) -> list[Shard]:
    """The work in its order; ``share`` (i, n) keeps every n-th window of photographs, from the i-th on (from 1)."""
    config = project.config
    shards = [
        shard
        for index, (each, done) in enumerate(zip(project.surveyed, todos, strict=True))
        for shard in cut(
            index,
            done.missing,
            batch_size=config.data.batch_size,
            shard_size=config.report.shard,
            order=each.evidence,
        )
    ]
    if share is not None:
        shards = [shard for shard in shards if shard.number % share[1] == share[0] - 1]
    return rounds(shards, together=config.budget is not None)


def _surveyed(bench: Bench, group: Group) -> PreparedBench:
    labelled = frozenset(each.trial.evidence for each in group.placed if is_labelled(each.trial))
    return PreparedBench(
        key=bench.key,
        photographs=bench.photographs,
        loader=bench.loader,
        trials=tuple(_stored(bench, each) for each in group.placed),
        evidence=tuple(bench.asked),
        labelled=labelled,
        weights=bench.weights,
        origin=bench.opened.origin,
        transform=repr(bench.transform),
        seconds=_seconds(bench),
        bench_plan=planned(bench, len(bench.photographs)),
    )


def _seconds(bench: Bench) -> float:
    """For one photograph: the traced pass as it takes now that everything is warm, and further passes like forwards of it."""
    took = []
    for _ in range(2):
        began = time.perf_counter()
        retrace(bench)
        took.append(time.perf_counter() - began)
    return min(took) * (1 + planned(bench, 0).further / 2)


def _stored(bench: Bench, placed: NamedTrial) -> StoredTrial:
    trial, asked, reached = placed.trial, bench.asked[placed.trial.evidence], bench.reached
    assert reached is not None
    layers, finish = tuple(map(str, asked.taps)), bench.finishes[trial.id]
    return StoredTrial(
        bench=bench.key,
        model=model_name(bench),
        data=str(bench.config.data.source.options.get("path") or bench.config.data.source.use),
        id=trial.id,
        evidence=trial.evidence,
        label=trial.label,
        name=placed.name,
        method=trial.use,
        options=trial.options,
        target=trial.target.plain(),
        layers=layers,
        maps=asked.keys,
        strides=tuple(float(reached.stride(layer)) for layer in layers),
        space=reached.space,
        seed=trial.seed,
        precision=trial.precision,
        finish=trial.finish.plain(),
        signed=finish.signed,
        drops_negative=finish.drops_negative,
        where=placed.where,
    )


def _known_stems(store: Store) -> dict[str, str]:
    """The stems that photographs have in the folder already; their pictures lie under these."""
    if not store.plan():
        return {}
    return {row["name"]: row["stem"] for row in store.photographs().to_pylist()}


def _photographs(surveyed: PreparedBench, named: Mapping[str, str], digests: Mapping[str, str]) -> pa.Table:
    names = [photograph.name for photograph in surveyed.photographs]
    return pa.table(
        {
            "bench": pa.array([surveyed.key] * len(names), pa.string()),
            "position": pa.array(range(len(names)), pa.int64()),
            "name": pa.array(names, pa.string()),
            "stem": pa.array([named[name] for name in names], pa.string()),
            "image": pa.array([digests.get(name) for name in names], pa.string()),
        }
    )


def _adopt(store: Store, bench: str, done: MissingEvidence) -> None:
    if done.adopted.num_rows:
        names = repr(done.adopted["name"].to_pylist())
        digest = hashlib.sha256(names.encode()).hexdigest()[:12]
        files = {name: store.folder.size(name) for name in dict.fromkeys(done.adopted["file"].to_pylist())}
        store.write_part(f"shards/{bench}/adopted-{digest}.parquet", done.adopted, {"files": files})
