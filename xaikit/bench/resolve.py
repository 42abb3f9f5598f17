"""From a config to a bench: the model opened, its layers found, and everything tried on the first photograph."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from xaikit.bench.bench import Bench, PlannedEvidence, map_key
from xaikit.bench.probe import _Probe, _reach
from xaikit.config import Config, DataConfig, Use, instantiate
from xaikit.engine import Request
from xaikit.errors import ConfigError
from xaikit.evidence.conditions import unwrapped
from xaikit.evidence.taps import Tap, whole
from xaikit.finish import build_finish
from xaikit.registry import Registry
from xaikit.sources import OpenedModel, Photograph, Transform
from xaikit.trials.placement import Group, NamedTrial
from xaikit.trials.trial import Trial


def resolve_bench(config: Config, group: Group, registry: Registry, *, probed: bool = True) -> Bench:
    """Open the model and find out everything that needs it: taps, targets, transform.

    Args:
        probed: look at the first photograph; without it there are no taps, and nothing can be asked.

    Raises:
        ConfigError: the model, its weights, the device or the transform cannot be had.
        DataError: the data source finds nothing, or no photograph of it can be read.
        LayerNotFound: a layer the model does not have, or ``auto`` found none.
        TapError, Disconnected: a layer that cannot be explained, found on the first photograph.
    """
    base = Path(config.base)
    data = dataclasses.replace(group.data, batch_size=config.data.batch_size, workers=config.data.workers)
    config = dataclasses.replace(config, model=group.model, data=data)
    photographs = _named(instantiate("data", data.source, registry, base).photographs())
    opened: OpenedModel = instantiate("model", config.model.source, registry, base).open()
    opened = dataclasses.replace(opened, module=unwrapped(opened.module))
    device = pick_device(config.device)
    opened.module.to(device)
    layout = config.model.layout
    arrangement = None if layout is None else instantiate("layout", layout, registry, base)
    bench = Bench(config, opened, device, _transform(opened, data), photographs, group.placed, arrangement=arrangement)
    if not probed:
        return bench
    probe = _Probe(bench)
    asked = _asked(group.placed, probe, registry, base)
    finishes = {placed.trial.id: build_finish(placed.trial.finish, registry, base) for placed in group.placed}
    bench = dataclasses.replace(bench, asked=asked, finishes=finishes)
    return dataclasses.replace(bench, reached=_reach(bench, probe))


def _named(photographs: Sequence[Photograph]) -> tuple[Photograph, ...]:
    """Each name once, and in words that a file of records can hold: a path need not be valid UTF-8."""
    found: dict[str, Photograph] = {}
    for photograph in photographs:
        name = photograph.name.encode("utf-8", "backslashreplace").decode()
        found.setdefault(name, dataclasses.replace(photograph, name=name))
    return tuple(found.values())


def _asked(placed: Sequence[NamedTrial], probe: _Probe, registry: Registry, base: Path) -> dict[str, PlannedEvidence]:
    """By evidence; those of one question share a request over all their taps."""
    trials = {each.trial.evidence: each.trial for each in placed}
    requests: dict[str, Request] = {}
    taps: dict[str, tuple[Tap, ...]] = {}
    for evidence, trial in trials.items():
        request = _request(trial, registry, base)
        single = whole(request.method.needs, probe.arrangement)
        taps[evidence] = probe.taps(trial.layers, request.target) if single is None else (single,)
        known = requests.get(request.label, request)
        requests[request.label] = dataclasses.replace(known, taps=tuple(dict.fromkeys([*known.taps, *taps[evidence]])))

    def asked(evidence: str) -> PlannedEvidence:
        request = requests[trials[evidence].request]
        keys = tuple(map_key(request.label, str(tap)) for tap in taps[evidence])
        return PlannedEvidence(evidence, request, taps[evidence], keys)

    return {evidence: asked(evidence) for evidence in trials}


def _request(trial: Trial, registry: Registry, base: Path) -> Request:
    """Without taps and finish: several trials share it, and each finishes what is stored its own way."""
    return Request(
        label=trial.request,
        use=trial.use,
        method=instantiate("method", Use(trial.use, trial.options), registry, base),
        taps=(),
        target=instantiate("target", trial.target, registry, base),
        finish=None,
        seed=trial.seed,
        precision=trial.precision,
        aggregation=trial.aggregation,
    )


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one, else the CPU. Raises ConfigError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device: expected one of {torch.cuda.device_count()} CUDA devices or cpu, got {name!r}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device: expected cpu or cuda, got 'mps', which this machine does not have")
    return device


def _transform(opened: OpenedModel, data: DataConfig) -> Transform:
    stated: dict[str, Any] = {}
    if data.transform is not None:
        stated = {key: value for key, value in dataclasses.asdict(data.transform).items() if value is not None}
    if opened.transform is None and not {"mean", "std"} <= stated.keys():
        raise ConfigError(
            "data.transform: this model's source does not know how its pictures are prepared; "
            "write transform: {size: 256, crop: 224, mean: [...], std: [...]}"
        )
    return dataclasses.replace(opened.transform or Transform(), **stated)
