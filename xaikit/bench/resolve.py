"""From a config to a bench: the model opened, its layers resolved, and everything tried on the first photograph."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from xaikit.bench.bench import Bench, merge_requests
from xaikit.bench.named import named_classes
from xaikit.bench.opened import OpenedBench, open_bench
from xaikit.bench.probe import probe
from xaikit.engine import Batch, Request
from xaikit.engine.layers import LayerResolver
from xaikit.errors import ConfigError
from xaikit.evidence.pinned import target_at
from xaikit.finish import build_finish
from xaikit.passes.raised import naming_the_layer
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import Config
from xaikit.targets import needs_labels
from xaikit.trials.placement import Group
from xaikit.trials.trial import Trial


def resolve_bench(config: Config, group: Group, registry: Registry) -> Bench:
    """Open the model and find out everything that needs it: taps, targets, transform.

    Raises:
        ConfigError: the model, its weights, the device or the transform cannot be had.
        DataError: the data source finds nothing, or no photograph of it can be read.
        LayerNotFound: a layer the model does not have, or ``auto`` found none.
        TapError, Disconnected: a layer that cannot be explained, found on the first photograph.
        ModelError: the model raises on that.
    """
    base = Path(config.base)
    targets = {id(each.trial.target): each.trial.target for each in group.placed}
    labelled = any(needs_labels(instantiate("target", target, registry, base)) for target in targets.values())
    opened = open_bench(config, group, registry, labelled=labelled)
    placed = named_classes(group.placed, opened.loader.classes, opened.config, registry)
    trials = {each.trial.evidence: each.trial for each in placed}
    by_request = {trial.request: trial for trial in trials.values()}
    requests = {key: _request(trial, registry, base) for key, trial in by_request.items()}
    batch = opened.first_batch()
    finishes = {each.trial.id: build_finish(each.trial.finish, registry, base) for each in placed}
    with naming_the_layer(opened.model.module), _naming_the_label(opened):
        evidence = _resolve_taps(opened, batch, trials, requests)
        result = probe(opened, batch, merge_requests(evidence.values()))
    return Bench(opened, placed, evidence, finishes, result)


@contextmanager
def _naming_the_label(opened: OpenedBench) -> Iterator[None]:
    """Whose class a target was given that raises inside."""
    try:
        yield
    except ConfigError as error:
        if opened.loader.labelled:
            sample = opened.first.photograph
            error.add_note(f"tried on the first sample, {sample.name}, whose label is {sample.label!r}")
        raise


def _request(trial: Trial, registry: Registry, base: Path) -> Request:
    """Without taps and finish: several trials share it, and each finishes what is stored its own way."""
    return Request(
        label=trial.request,
        use=trial.use,
        method=instantiate("method", Use(trial.use, trial.options), registry, base),
        taps=(),
        target=target_at(instantiate("target", trial.target, registry, base), trial.output),
        finish=None,
        seed=trial.seed,
        precision=trial.precision,
        aggregation=trial.aggregation,
    )


def _resolve_taps(
    opened: OpenedBench, batch: Batch, trials: Mapping[str, Trial], requests: Mapping[str, Request]
) -> dict[str, Request]:
    """By evidence, its request at the taps of its layers."""
    config = opened.config.model
    resolver = LayerResolver(opened.model.module, batch, config.output, opened.arrangement, config.mode)
    evidence = {}
    for key, trial in trials.items():
        request = requests[trial.request]
        taps = resolver.taps(request.method, trial.layers, request.target)
        evidence[key] = dataclasses.replace(request, taps=taps)
    return evidence
