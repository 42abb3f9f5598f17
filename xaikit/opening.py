"""From a config to a bench: the model opened, its layers found, and everything tried on the first photograph."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from xaikit import auto
from xaikit.bench import Asked, Bench, Reached, build_finish, map_key
from xaikit.calling import reading
from xaikit.conditions import unwrapped
from xaikit.config import Config, DataConfig, Use, instantiate
from xaikit.engine import Batch, Request, distinct, replay_ways
from xaikit.errors import ConfigError, DataError
from xaikit.layers import AUTO, Tap, resolve, whole
from xaikit.layouts import Arrangement
from xaikit.loading import Picture
from xaikit.observe import Tally, observe
from xaikit.registry import Registry
from xaikit.sources import OpenedModel, Photograph, Transform
from xaikit.sweep import Group, Placed, Trial
from xaikit.targets import Target, layers_of, pin
from xaikit.view import Trace


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


def _asked(placed: Sequence[Placed], probe: _Probe, registry: Registry, base: Path) -> dict[str, Asked]:
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

    def asked(evidence: str) -> Asked:
        request = requests[trials[evidence].question]
        keys = tuple(map_key(request.label, str(tap)) for tap in taps[evidence])
        return Asked(evidence, request, taps[evidence], keys)

    return {evidence: asked(evidence) for evidence in trials}


def _request(trial: Trial, registry: Registry, base: Path) -> Request:
    """Without taps and finish: several trials share it, and each finishes what is stored its own way."""
    return Request(
        label=trial.question,
        use=trial.use,
        method=instantiate("method", Use(trial.use, trial.options), registry, base),
        taps=(),
        target=instantiate("target", trial.target, registry, base),
        finish=None,
        seed=trial.seed,
        precision=trial.precision,
        manner=trial.manner,
    )


def _reach(bench: Bench, probe: _Probe) -> Reached:
    """One pass over the first photograph: what does not fit is found before anything is written."""
    requests = bench.requests(tuple(bench.asked))
    targets = list(distinct(request.target for request in requests))
    taps = tuple(dict.fromkeys(tap for request in requests for tap in request.taps))
    gradients = any(request.method.needs.gradients for request in requests)
    tally = Tally()
    trace = _traced(bench, probe, taps, targets, gradients, tally)
    ways = {
        request.label: replay_ways(
            bench.opened.module,
            probe.batch,
            _traced(bench, probe, request.taps, [request.target], gradients=False),
            request,
            bench.config.model.output,
        )
        for request in requests
        if request.method.needs.replays
    }
    shapes = {str(tap): tuple(trace.activations[trace.served(tap)].shape[1:]) for tap in taps}
    return Reached(tally.gradient_calls, shapes, ways, probe.batch.inputs[:1].to("meta"), trace.space)


def retrace(bench: Bench) -> None:
    """The shared pass over the first photograph once more, to see how long it takes."""
    requests = bench.requests(tuple(bench.asked))
    taps = tuple(dict.fromkeys(tap for request in requests for tap in request.taps))
    gradients = any(request.method.needs.gradients for request in requests)
    _traced(bench, _Probe(bench), taps, list(distinct(request.target for request in requests)), gradients)


def _traced(
    bench: Bench,
    probe: _Probe,
    taps: tuple[Tap, ...],
    targets: Sequence[Target],
    gradients: bool,
    tally: Tally | None = None,
) -> Trace:
    with reading(layers_of(targets)):
        return observe(
            bench.opened.module,
            probe.batch.inputs,
            taps,
            lambda output: [pin(target, output, probe.batch.labels) for target in targets],
            gradients=gradients,
            output=bench.config.model.output,
            tally=tally,
        )


class _Probe:
    """Layer names to taps; ``auto`` looks at the first photograph that can be read, once a target."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._found: list[tuple[Target, tuple[Tap, ...]]] = []

    @cached_property
    def batch(self) -> Batch:
        """The first readable photograph."""
        return probe_batch(self._bench)

    @property
    def arrangement(self) -> Arrangement | None:
        """How the tensors at its layers are arranged, where the config says it."""
        return self._bench.arrangement

    def taps(self, layers: Sequence[str], target: Target) -> tuple[Tap, ...]:
        taps: list[Tap] = []
        for spec in layers:
            taps += self._auto(target) if spec == AUTO else resolve(self._bench.opened.module, spec)
        layout = self.arrangement
        return tuple(dict.fromkeys(tap if layout is None else dataclasses.replace(tap, layout=layout) for tap in taps))

    def _auto(self, target: Target) -> tuple[Tap, ...]:
        for known, taps in self._found:
            if known == target:
                return taps
        model, output = self._bench.opened.module, self._bench.config.model.output
        taps = auto.of(model, self.batch.inputs, target, self.batch.labels, output)
        self._found.append((target, taps))
        return taps


def probe_batch(bench: Bench) -> Batch:
    """The first photograph that can be read, as a batch of one.

    Raises:
        DataError: none can be read; the first reasons are given.
    """
    reasons = []
    for photograph in bench.photographs:
        picture = bench.loader.read(photograph)
        if isinstance(picture, Picture) and not picture.unlabelled:
            return bench.batch([picture])
        reasons.append(picture.unlabelled if isinstance(picture, Picture) else picture.error)
    raise DataError("data: none of the photographs can be read:\n" + "\n".join(reasons[:5]))


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
