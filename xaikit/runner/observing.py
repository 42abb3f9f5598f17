"""Telling the observers of a run what happens; what one of them does disturbs neither the run nor another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import wraps
from inspect import getattr_static
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pyarrow.compute as pc

from xaikit.errors import PluginContract, nearest
from xaikit.hookspecs import PROJECT, ObserverHooks, RunDone, RunFailed, RunStarted, ShardDone
from xaikit.plain.remarks import is_dead
from xaikit.planning.planned import Plan
from xaikit.planning.shards import Receipt
from xaikit.registry import Registry
from xaikit.report.report import Report
from xaikit.runner.prepare import PreparedRun
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import Config
from xaikit.store.pages import PAGE
from xaikit.store.store import MANIFEST

HOOKS = tuple(name for name, hook in vars(ObserverHooks).items() if hasattr(hook, f"{PROJECT}_spec"))

Tell = Callable[[str], object]


class Observers:
    """Those of one run, in the process that was started.

    Args:
        tell: is told of the first error of each.

    Raises:
        PluginContract: one listens with a hook that there is not, or with none.
    """

    def __init__(self, config: Config, registry: Registry, tell: Tell) -> None:
        self._manager = manager()
        self._run = {"name": config.name, "folder": ""}
        self._done: set[tuple[Any, int]] = set()
        for label, each in reversed([*config.observers.items()]):  # the last one registered is the first one called
            observer = instantiate("observer", Use(each.use, each.options), registry, Path(config.base))
            register(self._manager, label, _Guard(label, tell).around(observer))

    def started(self, run: PreparedRun, plan: Plan) -> None:
        """The run begins."""
        self._run = {"name": run.config.name, "folder": run.job.folder}
        trials = tuple(dict.fromkeys(trial.name for trial in run.trials()))
        config = run.config.written()
        # what is explained now is judged now, too, where anything is
        parts = [(bench.photographs - bench.done, bench.evaluation) for bench in plan.benches]
        photographs = sum(max(missing, judged.photographs if judged else 0) for missing, judged in parts)
        self._manager.hook.run_started(
            run=RunStarted(**self._run, config=config, trials=trials, photographs=photographs)
        )

    def advanced(self, receipt: Receipt) -> None:
        """A shard was committed."""
        shard = receipt.shard
        self._done.update((shard.bench, position) for position in shard.positions[: receipt.photographs])
        failures = tuple((failure.name, failure.error) for failure in receipt.failures)
        told = ShardDone(len(self._done), failures, dict(receipt.counts), dict(receipt.seconds))
        self._manager.hook.shard_done(shard=told)

    def done(self, report: Report) -> None:
        """The run has ended, and everything is written."""
        if self._manager.get_plugins():  # nobody else needs the numbers
            numbers, files = numbers_of(report), tuple(map(str, files_of(report)))
            self._manager.hook.run_done(run=RunDone(**self._run, stopped=report.stopped, numbers=numbers, files=files))

    @contextmanager
    def told_of_failure(self) -> Iterator[None]:
        """What ends a run that has begun is told, and raised."""
        try:
            yield
        except BaseException as error:
            if self._run["folder"]:
                text = f"{type(error).__name__}: {error}".rstrip(": ")
                self._manager.hook.failed(failure=RunFailed(**self._run, error=text))
            raise


class _Guard:
    """Stands before one listener: each is handed a copy of its own, and what it raises is reported once."""

    def __init__(self, label: str, tell: Tell) -> None:
        self._label, self._tell, self._raised = label, tell, False

    def around(self, observer: Any) -> ModuleType:
        """The hooks of an observer's listener, none of which raises; no hooks where it cannot listen."""
        guarded = ModuleType(self._label)
        listener: list[Any] = []
        self._safe(lambda: listener.append(observer.listen()), "listen")()
        for name, hook in hooks_of(listener[0], self._label).items() if listener else ():
            setattr(guarded, name, self._safe(hook, name))
        return guarded

    def _safe(self, hook: Callable[..., object], name: str) -> Callable[..., None]:
        @wraps(hook)
        def safe(*told: object) -> None:
            if self._raised and name == "shard_done":
                return
            try:
                hook(*deepcopy(told))
            except (Exception, SystemExit) as error:
                if not self._raised:
                    self._tell(f"observer {self._label}: {name}: {type(error).__name__}: {error}; the run goes on")
                self._raised = True

        return safe


def manager() -> pluggy.PluginManager:
    """With the hooks that a run calls, and nobody who listens."""
    made = pluggy.PluginManager(PROJECT)
    made.add_hookspecs(ObserverHooks)
    return made


def register(listening: pluggy.PluginManager, label: str, listener: object) -> None:
    """One more who is told. Raises PluginContract where one of its hooks takes what there is not."""
    try:
        listening.register(listener, label)
    except pluggy.PluginValidationError as error:
        raise PluginContract(f"observer {label}: listen(): {' '.join(str(error).split())}") from error


def hooks_of(listener: object, label: str) -> dict[str, Callable[..., object]]:
    """The methods of a listener that are marked as hooks.

    Raises:
        PluginContract: there is none, or one is no hook of :class:`ObserverHooks`.
    """
    marked = (name for name in dir(listener) if hasattr(getattr_static(listener, name), f"{PROJECT}_impl"))
    hooks = {name: getattr(listener, name) for name in marked}
    for name in hooks:
        if name not in HOOKS:
            raise PluginContract(f"observer {label}: listen(): no hook {name!r}; {nearest(name, HOOKS)}")
    if not hooks:
        raise PluginContract(
            f"observer {label}: listen(): expected methods marked with @hookimpl, such as {HOOKS[0]}, got {listener!r}"
        )
    return hooks


def numbers_of(report: Report) -> dict[str, float]:
    """What a run amounts to: see :class:`RunDone`."""
    counts, seconds = report.counts, report.manifest.get("seconds", {})
    warned = report.rows.filter(pc.greater(pc.list_value_length(report.rows["warnings"]), 0))
    records = (record for record, trial, _ in report.index.records(warned) if not trial.control)
    numbers = {
        "explained": float(counts.get("explained", 0)),
        "failed": float(len({failure.name for failure in report.failures})),
        "dead": float(sum(any(map(is_dead, record.warnings)) for record in records)),
        "seconds": float(seconds.get("total", 0)),
    }
    return {**numbers, **_means(report)}


def _means(report: Report) -> Mapping[str, float]:
    table = report.measures
    table = table.filter(pc.equal(table["control"], "")).select(["metric_label", "trial", "value"])
    values = pc.if_else(pc.is_finite(table["value"]), table["value"], None)
    table = table.set_column(2, "value", values)
    means = table.group_by(["metric_label", "trial"], use_threads=False).aggregate([("value", "mean")])
    return {
        f"{row['metric_label']}/{row['trial']}": float("nan") if row["value_mean"] is None else row["value_mean"]
        for row in means.to_pylist()
    }


def files_of(report: Report) -> list[Path]:
    """What there is to look at and to keep of a run on a disk."""
    if not isinstance(report.folder, Path):
        return []
    others = [report.folder / PAGE, report.folder / MANIFEST]
    return [*map(Path, report.sheets), *(path for path in others if path.exists())]
