"""One run, in its steps: load, expand, resolve, plan, observe and explain, report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from torch import nn

from xaikit.auto.auto import first_sample
from xaikit.auto.survey import HEADER, Row, survey
from xaikit.bench.named import target_of_classes
from xaikit.bench.objects import Objects
from xaikit.bench.opened import open_bench
from xaikit.config import load
from xaikit.config.overrides import listed
from xaikit.errors import DamagedFile, LayerNotFound, PluginError, nearest
from xaikit.evidence.pinned import pin, readout_of
from xaikit.passes.raised import naming_the_layer
from xaikit.planning.missing import MissingEvidence
from xaikit.planning.planned import Plan
from xaikit.planning.shards import Receipt, Shard
from xaikit.registry import Registry
from xaikit.report.boxes import write_boxes
from xaikit.report.overlays import write_missing_overlays
from xaikit.report.recent import RecentOverlays
from xaikit.report.report import Report
from xaikit.report.sheets import remove_sheets, write_sheets
from xaikit.report.text import aligned
from xaikit.runner import isolation
from xaikit.runner.freezing import freeze_plan
from xaikit.runner.log import RunLog
from xaikit.runner.observing import Observers
from xaikit.runner.page import write_page
from xaikit.runner.pictures import remove_outdated, save_missing_pictures
from xaikit.runner.prepare import PreparedRun, folder_of, measure_shards, missing_of, prepare, shards_of, unjudged_of
from xaikit.runner.stop import Stopping
from xaikit.runner.watch import Unwatched, Watcher
from xaikit.runner.worker import Worker
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import Config
from xaikit.store.damage import mend
from xaikit.store.folder import folder_of as store_folder
from xaikit.store.lease import Holder, Lease, leased
from xaikit.store.store import Store
from xaikit.targets import needs_labels
from xaikit.trials.expansion import expand
from xaikit.trials.placement import groups

Source = str | Path | Mapping[str, Any] | Config


def run(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    model: nn.Module | None = None,
    data: Any = None,
    axes: Sequence[str] = (),
    again: bool = False,
    share: tuple[int, int] | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Do what a configuration says, a sweep included.

    Args:
        source: a path, a mapping, or a Config.
        overrides: ``"key.of.it=value"``, later ones win.
        model: a module, in place of the source of the config's ``model``; it is run where it lies and left as it is. Its
            results are known by its weights and its code, so that it may go on training between two calls.
        data: a dataset, in place of the source of the config's ``data``, or a ``DataLoader`` of one. Its items are samples, or
            pairs (sample, target): pictures of PIL, which ``data.transform`` prepares, or tensors as the model takes them,
            (channels, *S); where it takes several inputs, a tuple or mapping of them.
        axes: swept keys, ``"key.of.it=value,value"``, beside those of ``sweep``.
        again: start over in a folder that holds a run.
        share: (i, n) does the i-th of n parts of the work, from 1 on: for one job of many that share a folder.
        watcher: is told of the progress.

    Returns:
        The report; ``report.folder`` is where it lies. What the folder holds already is not computed again, whatever
        config it was computed for. ``report.stopped`` says why a run ended early.

    Raises:
        ConfigError: all faults of the configuration at once.
        StoreError: the folder is foreign, cannot be written to, or somebody else writes to it; what was finished is
            kept.
        LayerNotFound, DataError, TapError, Disconnected: found before the first map is written.
    """
    registry = Registry()
    config = _loaded(source, overrides, registry, axes, Objects(model, data))
    watch = watcher or Unwatched()
    observers = Observers(config, registry, watch.warned)
    with _not_ended():
        prepared = prepare(config, registry, {} if again else _frozen(config))
    with observers.told_of_failure():
        report = _sitting(prepared, again, share, watch, observers)
    observers.done(report)
    return report


def _sitting(
    prepared: PreparedRun, again: bool, share: tuple[int, int] | None, watch: Watcher, observers: Observers
) -> Report:
    config, registry = prepared.config, prepared.registry
    with _lease(prepared, share) as lease, Stopping(config.budget, watch.stopping) as stopping:
        store = Store.claim(prepared.job.folder, again=again)
        damaged = mend(store)
        missing = missing_of(prepared, store)
        log = RunLog(prepared, store, lease)
        remove_outdated(store, prepared)
        freeze_plan(prepared, store, missing)
        notes = (*map(_taken_over, lease.taken_over), *map(_made_anew, damaged))
        planned = replace(prepared.plan(missing, unjudged_of(prepared, store, missing)), notes=notes)
        watch.started(planned)
        observers.started(prepared, planned)
        suspects = isolation.suspects(store, lease.holder.share)
        log.begin(missing)
        with log.guarded(), isolation.crash_recorded(store.folder, lease.holder.token):
            recent = RecentOverlays()
            worker = Worker(prepared.job, prepared.opened, registry, stopping, watch, recent)
            for shards in _work(prepared, missing, share):
                parts = isolation.parted(prepared.job, shards, suspects)
                for receipt in _receipts(prepared, worker, *parts, stopping, log):
                    log.add(receipt)
                    watch.advanced(receipt)
                    observers.advanced(receipt)
            report = worker.open_report(stopping.reason)
            _draw(prepared, report, log, stopping, recent)
            if config.report.boxes is not None and not stopping.by_signal:
                write_boxes(report, config.report.boxes)
            log.finish(stopping.reason)
            if config.report.page and share is None and not stopping.by_signal:
                write_page(report, registry)
    return report


def _work(
    prepared: PreparedRun, missing: Sequence[MissingEvidence], share: tuple[int, int] | None
) -> Iterator[list[Shard]]:
    """The shards that explain; then, when these are done, those that judge the maps."""
    yield shards_of(prepared, missing, share)
    yield measure_shards(prepared, share)


def _draw(prepared: PreparedRun, report: Report, log: RunLog, stopping: Stopping, recent: RecentOverlays) -> None:
    """The pictures that are missing, and the contact sheets; none of a signal has come, or as soon as one comes."""
    style = prepared.config.report
    if stopping.by_signal:
        return
    if not prepared.job.draws:
        remove_sheets(report)
    with log.timed("draw"):
        if prepared.job.shows:
            log.fail(save_missing_pictures(prepared, report.index))
        if not prepared.job.draws:
            return
        log.fail(write_missing_overlays(report, style, lambda: stopping.by_signal, recent))
        if not stopping.by_signal:
            write_sheets(report, style, recent)


@contextmanager
def _not_ended() -> Iterator[None]:
    """Where a model or a plugin calls sys.exit, that is an error like any other."""
    try:
        yield
    except SystemExit as error:
        raise PluginError(f"a model or a plugin called sys.exit({error.code!r}) while it was opened") from error


def _lease(prepared: PreparedRun, share: tuple[int, int] | None) -> AbstractContextManager[Lease]:
    """Of who does a share of a config, on whatever device."""
    plain = json.dumps({**prepared.config.plain(), "device": None}, sort_keys=True, default=repr)
    work = hashlib.sha256(plain.encode()).hexdigest()[:16]
    return leased(store_folder(prepared.job.folder), "" if share is None else f"{share[0]}/{share[1]}", work)


def _taken_over(holder: Holder) -> str:
    return f"warning: took over from {holder}, which left its lease behind"


def _made_anew(damage: DamagedFile) -> str:
    return f"warning: {damage.file} was damaged ({damage.problem}) and is made anew"


def _receipts(
    prepared: PreparedRun,
    worker: Worker,
    apart: Sequence[Shard],
    others: Sequence[Shard],
    stopping: Stopping,
    log: RunLog,
) -> Iterator[Receipt]:
    def stop(shard: Shard) -> bool:
        if stopping.before(shard):
            return True
        log.begin_shard(shard)
        return False

    yield from isolation.execute(prepared.job, apart, stop)
    yield from prepared.executor.execute(worker, others, stop)


def _loaded(
    source: Source, overrides: Sequence[str], registry: Registry, axes: Sequence[str], objects: Objects
) -> Config:
    config = load(source, [*objects.overrides(), *listed(overrides)], registry, axes=axes)
    return config if config.objects is not None and objects == Objects() else replace(config, objects=objects)


def plan(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    model: nn.Module | None = None,
    data: Any = None,
    axes: Sequence[str] = (),
) -> Plan:
    """What :func:`run` would compute: every model is opened and tried on one photograph, nothing is explained or written."""
    registry = Registry()
    config = _loaded(source, overrides, registry, axes, Objects(model, data))
    with _not_ended():
        prepared = prepare(config, registry, _frozen(config))
    store = Store.look(prepared.job.folder)
    missing = None if store is None else missing_of(prepared, store)
    return prepared.plan(missing, unjudged_of(prepared, store, missing))


def layers(source: Source, overrides: Sequence[str] = (), *, match: str = "*", width: int | None = None) -> str:
    """A table of the layers of a configuration's model, with what ``layers: auto`` thinks of them.

    Args:
        match: only names like this, as file names are matched: ``"layer4*"``.
        width: letters of a line, where there are only so many.

    Raises:
        LayerNotFound: no name is like that; the nearest are listed.
    """
    registry = Registry()
    rows, module = _surveyed(load(source, overrides, registry), registry)
    matching = [row for row in rows if fnmatchcase(row.name, match)]
    if not matching:
        names = [row.name for row in rows]
        raise LayerNotFound(f"no layer with a map is like {match!r}; {nearest(match.strip('*'), names)}")
    left_out = len(list(module.modules())) - len({row.name for row in rows})
    note = f"{len(matching)} of {len(rows)} layers; {left_out} modules are left out: nothing they return is laid out in space"
    return f"{aligned([HEADER, *(row.cells for row in matching)], width=width)}\n{note}"


def layer_names(config: Config) -> tuple[str, ...]:
    """Those layers of a configuration's model that have a map."""
    return tuple(row.name for row in _surveyed(config, Registry())[0])


def _surveyed(config: Config, registry: Registry) -> tuple[Sequence[Row], nn.Module]:
    """The layers of a configuration's model, and the model."""
    target = instantiate("target", config.target, registry, Path(config.base))
    opened = open_bench(config, groups(expand(config, registry))[0], registry, labelled=needs_labels(target))
    use = target_of_classes(config.target, opened.loader.classes, "target", config, registry)
    target = instantiate("target", use, registry, Path(config.base))
    batch = opened.first_batch()
    with naming_the_layer(opened.model.module):
        rows = survey(
            opened.model.module,
            first_sample(batch.inputs),
            lambda output: pin(target, output, batch.labels).scores(output),
            readout_of([target], config.model.output, config.model.mode),
            opened.input_layout,
        )
    return rows, opened.model.module


def _frozen(config: Config) -> Mapping[str, Any]:
    """The plan of an earlier sitting at the same config; empty where there is none."""
    store = Store.look(folder_of(config))
    try:
        stored = {} if store is None else store.plan()
    except DamagedFile:
        return {}
    return stored if {**stored.get("config", {}), "device": None} == {**config.written(), "device": None} else {}
