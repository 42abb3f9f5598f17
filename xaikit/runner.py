"""One run, in its steps: load, expand, resolve, plan, observe and explain, report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from xaikit import engine
from xaikit.auto import first_sample
from xaikit.bench import Bench, Picture, Unread, build_finish, probe_batch, resolve_bench
from xaikit.config import Config, FinishConfig, instantiate, load, read_finish
from xaikit.explanation import Explanation
from xaikit.finish import finish_maps
from xaikit.manifest import fingerprint, manifest_of
from xaikit.observe import Tally
from xaikit.planning import Plan, plan_of
from xaikit.record import Record
from xaikit.registry import Registry
from xaikit.report import Report, write_pictures, write_sheets
from xaikit.store import Store
from xaikit.survey import survey, table
from xaikit.sweep import expand
from xaikit.targets import PinnedClasses
from xaikit.view import Trace

Source = str | Path | Mapping[str, Any] | Config


class Watcher(Protocol):
    """Whoever wants to see a run proceed."""

    def started(self, plan: Plan, done: int) -> None: ...

    def advanced(self, photographs: int) -> None: ...


def run(
    source: Source, overrides: Sequence[str] = (), *, again: bool = False, watcher: Watcher | None = None
) -> Report:
    """Do what a configuration says.

    Args:
        source: a path, a mapping, or a Config.
        overrides: ``"key.of.it=value"``, later ones win.
        again: start over in a folder that holds the run of another configuration.
        watcher: is told of the progress.

    Returns:
        The report; ``report.folder`` is where it lies. A run that was finished before is not computed again.

    Raises:
        ConfigError: all faults of the configuration at once.
        StoreError: the folder belongs to another configuration.
        LayerNotFound, DataError, TapError, Disconnected: found before the first map is written.
    """
    registry = Registry()
    config = load(source, overrides, registry)
    trials = expand(config, registry)[0]
    bench = resolve_bench(config, trials, registry)
    folder = Path(config.report.to or f"runs/{config.name}")
    store = Store.claim(folder, fingerprint(config), config.plain(), again=again)
    session = _Session(bench, store)
    todo = session.todo()
    if watcher is not None:
        watcher.started(plan_of(bench), len(bench.photographs) - len(todo))
    session.note()
    for pictures in bench.batches(todo):
        session.explain(pictures)
        if watcher is not None:
            watcher.advanced(len(pictures))
    session.finish()
    return open_report(folder)


def plan(source: Source, overrides: Sequence[str] = ()) -> Plan:
    """What :func:`run` would compute: the model is opened and its layers are found, nothing is explained."""
    return plan_of(_bench(source, overrides))


def layers(source: Source, overrides: Sequence[str] = ()) -> str:
    """A table of the layers of a configuration's model, with what ``layers: auto`` thinks of them."""
    registry = Registry()
    config = load(source, overrides, registry)
    bench = resolve_bench(config, (), registry)
    batch = probe_batch(bench)
    target = instantiate("target", config.target, registry, Path(config.base))
    rows = survey(
        bench.opened.module,
        first_sample(batch.inputs),
        lambda output: target.pin(output, batch.labels).scores(output),
        config.model.output,
    )
    return table(rows)


def open_report(folder: str | Path) -> Report:
    """The report of a run folder.

    Raises:
        StoreError: there is no run in that folder, or it is damaged.
    """
    registry = Registry()

    def finisher(
        stages: Mapping[str, Any], raws: Mapping[str, Tensor], strides: Mapping[str, float], space: tuple[int, ...]
    ) -> Tensor | None:
        finish = build_finish(FinishConfig(**read_finish(stages, registry)), registry)
        return finish_maps(finish, raws, strides, space)[1]

    return Report(Path(folder), finisher)


def _bench(source: Source, overrides: Sequence[str]) -> Bench:
    registry = Registry()
    config = load(source, overrides, registry)
    return resolve_bench(config, expand(config, registry)[0], registry)


class _Session:
    """One sitting at a run: what it explains and what that took."""

    def __init__(self, bench: Bench, store: Store) -> None:
        self._bench = bench
        self._store = store
        self._stems = store.stems(photograph.name for photograph in bench.photographs)
        self._tally = Tally()
        self._seconds = {"explain": 0.0, "write": 0.0}
        self._began = time.perf_counter()
        # a column of signed maps keeps one colour table, also where a map happens to have no negative place
        self._signed = {
            trial.label
            for trial in bench.trials
            if trial.finish.rectify.use == "none" and trial.finish.normalize.use != "minmax"
        }

    def todo(self) -> list[Any]:
        """The photographs that have no maps yet, or whose file has changed since."""
        digests = self._store.digests()
        return [
            photograph
            for photograph in self._bench.photographs
            if self._stems[photograph.name] not in digests
            or digests[self._stems[photograph.name]] != photograph.digest()
        ]

    def explain(self, pictures: Sequence[Picture | Unread]) -> None:
        """Explain a batch and write it; what could not be read is recorded and stops nothing."""
        for unread in pictures:
            if isinstance(unread, Unread):
                self._store.fail(self._failure(unread))
        readable = [picture for picture in pictures if isinstance(picture, Picture)]
        if not readable:
            return
        began = time.perf_counter()
        bench = self._bench
        trace, explanations = engine.explain(
            bench.opened.module,
            bench.batch(readable),
            bench.requests,
            output=bench.config.model.output,
            tally=self._tally,
        )
        explained = time.perf_counter()
        for row, picture in enumerate(readable):
            share = (explained - began) / len(readable)
            self._write(row, picture, trace, explanations, share)
        self._seconds["explain"] += explained - began
        self._seconds["write"] += time.perf_counter() - explained

    def _write(
        self, row: int, picture: Picture, trace: Trace, explanations: Mapping[str, Explanation], seconds: float
    ) -> None:
        stem = self._stems[picture.photograph.name]
        maps: dict[tuple[str, str], Tensor] = {}
        finished: dict[str, Tensor] = {}
        records: list[Record] = []
        for label, explanation in explanations.items():
            for layer, raw in explanation.maps.items():
                maps[label, layer] = _columns(raw[row], explanation)
            if explanation.map is not None:
                finished[label] = _columns(explanation.map[row], explanation)
            records += _records(self._bench, row, picture, stem, trace, explanation, seconds)
        if self._bench.config.report.overlays:
            write_pictures(self._store, stem, picture.seen, finished, signed=self._signed)
        self._store.commit(stem, maps, records, trace.space)

    def _failure(self, unread: Unread) -> Record:
        name = unread.photograph.name
        return Record(unread.digest, name, self._stems[name], status="failed", error=unread.error)

    def finish(self) -> None:
        """Write the contact sheets and the manifest."""
        if self._bench.config.report.overlays:
            write_sheets(self._store, [photograph.name for photograph in self._bench.photographs])
        self._seconds["total"] = time.perf_counter() - self._began
        self._store.write_manifest(manifest_of(self._bench, self._store, self._tally, self._seconds))

    def note(self) -> None:
        """Write the manifest before the first map, so that a run that is killed can be read as well."""
        self._store.write_manifest(manifest_of(self._bench, self._store, Tally(), {}))


def _columns(saliency: Tensor, explanation: Explanation) -> Tensor:
    """One sample's maps with the target axis: (T, *S)."""
    return saliency if explanation.target.plural else saliency.unsqueeze(0)


def _records(
    bench: Bench, row: int, picture: Picture, stem: str, trace: Trace, explanation: Explanation, seconds: float
) -> list[Record]:
    prediction, probability = _prediction(trace.output, row)
    scores = explanation.scores[row].reshape(-1).tolist()
    targets: list[int | None] = [None] * len(scores)
    if isinstance(explanation.target, PinnedClasses):
        targets = explanation.target.indices[row].tolist()
    warnings = tuple(
        f"{remark.layer}: {remark.reason}" + (f" ({remark.count})" if remark.count else "")
        for remark in explanation.warnings
        if remark.sample == row
    )
    return [
        Record(
            image=picture.digest,
            name=picture.photograph.name,
            stem=stem,
            label=explanation.label,
            target=target,
            target_name=_class_name(bench, target),
            column=column,
            score=score,
            prediction=prediction,
            prediction_name=_class_name(bench, prediction),
            probability=probability,
            layers=tuple(explanation.maps),
            strides=tuple(explanation.strides.values()),
            warnings=warnings,
            seconds=seconds,
        )
        for column, (score, target) in enumerate(zip(scores, targets, strict=True))
    ]


def _prediction(output: Any, row: int) -> tuple[int | None, float | None]:
    """The class of the highest logit and its softmax, where the output is logits."""
    if not isinstance(output, Tensor) or output.dim() != 2:
        return None, None
    probabilities = output[row].float().softmax(0)
    best = int(probabilities.argmax())
    return best, float(torch.select(probabilities, 0, best))


def _class_name(bench: Bench, index: int | None) -> str:
    if index is None:
        return ""
    classes = bench.opened.classes
    return classes[index] if classes is not None and index < len(classes) else f"class {index}"
