"""One run, in its steps: load, expand, resolve, plan, observe and explain, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from xaikit.bench.probe import probe_batch
from xaikit.bench.resolve import resolve_bench
from xaikit.config import Config, FinishConfig, instantiate, load, read_finish
from xaikit.evidence.auto import first_sample
from xaikit.evidence.forward import reading
from xaikit.evidence.pinned import layers_of, pin
from xaikit.evidence.survey import survey, table
from xaikit.finish import build_finish, finish_maps
from xaikit.registry import Registry
from xaikit.report import Report, draw_missing, write_sheets
from xaikit.report.index import Index
from xaikit.runner import prepare as projects
from xaikit.runner.costs import Plan
from xaikit.runner.log import RunLog
from xaikit.runner.prepare import PreparedRun
from xaikit.runner.stop import Stopping
from xaikit.runner.watch import Watcher
from xaikit.store import Store
from xaikit.store.compact import compact as merge_parts
from xaikit.trials.expansion import expand
from xaikit.trials.placement import groups

Source = str | Path | Mapping[str, Any] | Config


def run(
    source: Source,
    overrides: Sequence[str] = (),
    *,
    axes: Sequence[str] = (),
    again: bool = False,
    share: tuple[int, int] | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Do what a configuration says, a sweep included.

    Args:
        source: a path, a mapping, or a Config.
        overrides: ``"key.of.it=value"``, later ones win.
        axes: swept keys, ``"key.of.it=value,value"``, beside those of ``sweep``.
        again: start over in a folder that holds a run.
        share: (i, n) does the i-th of n parts of the work, from 1 on: for one job of many that share a folder.
        watcher: is told of the progress.

    Returns:
        The report; ``report.folder`` is where it lies. What the folder holds already is not computed again, whatever
        config it was computed for. ``report.stopped`` says why a run ended early.

    Raises:
        ConfigError: all faults of the configuration at once.
        StoreError: the folder is foreign, damaged, or cannot be written to; what was finished is kept.
        LayerNotFound, DataError, TapError, Disconnected: found before the first map is written.
    """
    registry = Registry()
    config = load(source, overrides, registry, axes=axes)
    project = projects.survey(config, registry, {} if again else _frozen(config))
    store = Store.claim(projects.folder_of(config), again=again)
    todos = projects.missing_of(project, store)
    ledger = RunLog(project, store, share)
    projects.settle(project, store, todos)
    if watcher is not None:
        watcher.started(project.plan([sum(map(bool, done.missing)) for done in todos]))
    ledger.note(todos)
    with Stopping(config.budget) as stopping, ledger.kept():
        for receipt in project.executor.execute(
            project.worker, projects.shards_of(project, todos, share), stopping.before
        ):
            ledger.add(receipt)
            if watcher is not None:
                watcher.advanced(receipt)
    _pictures(project, store)
    ledger.finish(stopping.reason)
    return open_report(projects.folder_of(config))


def plan(source: Source, overrides: Sequence[str] = (), *, axes: Sequence[str] = ()) -> Plan:
    """What :func:`run` would compute: every model is opened and tried on one photograph, nothing is explained or written."""
    registry = Registry()
    config = load(source, overrides, registry, axes=axes)
    project = projects.survey(config, registry, _frozen(config))
    folder = Store.look(projects.folder_of(config))
    if folder is None:
        return project.plan()
    return project.plan([sum(map(bool, done.missing)) for done in projects.missing_of(project, folder)])


def outline(source: Source, overrides: Sequence[str] = (), *, axes: Sequence[str] = ()) -> str:
    """What a config amounts to, without any model being opened: points, trials, photographs."""
    registry = Registry()
    config = load(source, overrides, registry, axes=axes)
    points = expand(config, registry)
    lines = [f"{len(points)} points, {sum(len(group.placed) for group in groups(points))} trials"]
    for group in groups(points):
        count = len(instantiate("data", group.data.source, registry, Path(config.base)).photographs())
        evidence = len({placed.trial.evidence for placed in group.placed})
        questions = len({placed.trial.request for placed in group.placed})
        lines.append(
            f"{group.model.source.plain('source')} on {count} photographs: {len(group.placed)} trials share "
            f"{evidence} pieces of evidence of {questions} questions"
        )
    return "\n".join(lines)


def layers(source: Source, overrides: Sequence[str] = ()) -> str:
    """A table of the layers of a configuration's model, with what ``layers: auto`` thinks of them."""
    registry = Registry()
    config = load(source, overrides, registry)
    bench = resolve_bench(config, groups(expand(config, registry))[0], registry, probed=False)
    batch = probe_batch(bench)
    target = instantiate("target", config.target, registry, Path(config.base))
    with reading(layers_of([target])):
        rows = survey(
            bench.opened.module,
            first_sample(batch.inputs),
            lambda output: pin(target, output, batch.labels).scores(output),
            config.model.output,
        )
    return table(rows)


def open_report(folder: str | Path) -> Report:
    """The report of a run folder, a path or URL.

    Raises:
        StoreError: there is no run in that folder, or it is damaged.
    """
    return Report(folder, _finisher)


def compact(folder: str | Path) -> int:
    """Merge the many small parts of a run into few; gives how many were merged."""
    store = Store.open(folder)
    return merge_parts(store, dict.fromkeys(trial.bench for trial in Index(store).trials))


def _finisher(
    stages: Mapping[str, Any], raws: Mapping[str, Tensor], strides: Mapping[str, float], space: tuple[int, ...]
) -> Tensor | None:
    registry = Registry()
    finish = build_finish(FinishConfig(**read_finish(stages, registry)), registry)
    return finish_maps(finish, raws, strides, space)[1]


def _frozen(config: Config) -> Mapping[str, Any]:
    """The plan of an earlier sitting at the same config; empty where there is none."""
    store = Store.look(projects.folder_of(config))
    found = {} if store is None else store.plan()
    said = {**config.plain(), "device": None}
    return found if {**found.get("config", {}), "device": None} == said else {}


def _pictures(project: PreparedRun, store: Store) -> None:
    if project.config.report.overlays:
        index = Index(store)
        draw_missing(index, _finisher)
        write_sheets(index)
