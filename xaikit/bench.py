"""One opened model with its taps, data and targets: what the trials of one model share."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from xaikit import auto
from xaikit.conditions import unwrapped
from xaikit.config import STAGES, Config, DataConfig, FinishConfig, Use, instantiate
from xaikit.engine import Batch, Request, distinct, replay_ways
from xaikit.errors import ConfigError, DataError
from xaikit.finish import Finish
from xaikit.labels import match_label
from xaikit.layers import AUTO, Tap, resolve
from xaikit.observe import Tally, observe
from xaikit.reading import decode
from xaikit.registry import Registry
from xaikit.sources import OpenedModel, Photograph, Transform, digest_of
from xaikit.sweep import Trial
from xaikit.targets import Target
from xaikit.view import Trace


@dataclass(frozen=True)
class Picture:
    """One photograph, ready: ``seen`` is the RGB picture in the model's frame, ``pixels`` (3, H, W) its input."""

    photograph: Photograph
    digest: str
    seen: Image.Image
    pixels: Tensor
    label: int | None


@dataclass(frozen=True)
class Unread:
    """A photograph that could not be read, and why."""

    photograph: Photograph
    digest: str
    error: str


@dataclass(frozen=True)
class Reached:
    """What the pass over the first photograph found out.

    shapes  (channels, *space) by layer
    ways    by label and layer, how its replays will be made
    row     one input, its shape alone
    gradient_calls  that a batch costs
    """

    gradient_calls: int
    shapes: Mapping[str, tuple[int, ...]]
    ways: Mapping[str, Mapping[str, str]]
    row: Tensor


@dataclass(frozen=True)
class Bench:
    """What a run works on.

    opened       the model and what its source knows, on ``device``
    transform    from photograph to input
    photographs  all of them, in order
    requests     one a trial, everything resolved
    reached      what one pass over the first photograph found out
    """

    config: Config
    opened: OpenedModel
    device: torch.device
    transform: Transform
    photographs: tuple[Photograph, ...]
    trials: tuple[Trial, ...]
    requests: tuple[Request, ...]
    reached: Reached | None = None

    @cached_property
    def weights(self) -> str:
        """The digest of the model's weights."""
        return digest_of(self.opened.module)

    @property
    def needs_labels(self) -> bool:
        """Whether some trial explains the class that the data states."""
        return any(trial.target.use == "label" for trial in self.trials)

    def batches(self, photographs: Sequence[Photograph]) -> Iterator[list[Picture | Unread]]:
        """Photographs ready for the model, a batch at a time; with workers, the next is read while one is computed."""
        size, workers = self.config.data.batch_size, self.config.data.workers
        chunks = [photographs[start : start + size] for start in range(0, len(photographs), size)]
        with ThreadPoolExecutor(workers) if workers else nullcontext() as pool:
            if pool is None:
                yield from ([self.read(photograph) for photograph in chunk] for chunk in chunks)
                return
            ahead = [[pool.submit(self.read, photograph) for photograph in chunk] for chunk in chunks[:1]]
            for place in range(len(chunks)):
                ahead += [
                    [pool.submit(self.read, photograph) for photograph in chunk] for chunk in chunks[place + 1 :][:1]
                ]
                yield [future.result() for future in ahead.pop(0)]

    def read(self, photograph: Photograph) -> Picture | Unread:
        """Read one photograph; what is wrong with it is returned, so that it stops no other."""
        digest = ""
        try:
            data = photograph.read()
            digest = hashlib.sha256(data).hexdigest()
            seen = self.transform.picture(decode(data, photograph.name))
            return Picture(photograph, digest, seen, self.transform.tensor(seen), self._label(photograph))
        except (DataError, OSError) as error:
            return Unread(photograph, digest, str(error))

    def _label(self, photograph: Photograph) -> int | None:
        if photograph.label is None or not self.needs_labels:
            return None
        return match_label(photograph.label, self.opened.classes, self.opened.wnids, photograph.name)

    def batch(self, pictures: Sequence[Picture]) -> Batch:
        """Pictures as the engine takes them, on the model's device."""
        inputs = torch.stack([picture.pixels for picture in pictures]).to(self.device)
        labels = [picture.label for picture in pictures]
        known = None if None in labels else torch.tensor(labels, dtype=torch.long, device=self.device)
        return Batch(inputs, tuple(picture.digest for picture in pictures), known)


def resolve_bench(config: Config, trials: Sequence[Trial], registry: Registry) -> Bench:
    """Open the model and find out everything that needs it: taps, targets, transform.

    Raises:
        ConfigError: the model, its weights, the device or the transform cannot be had.
        DataError: the data source finds nothing, or no photograph of it can be read.
        LayerNotFound: a layer the model does not have, or ``auto`` found none.
        TapError, Disconnected: a layer that cannot be explained, found on the first photograph.
    """
    base = Path(config.base)
    photographs = tuple(instantiate("data", config.data.source, registry, base).photographs())
    opened: OpenedModel = instantiate("model", config.model.source, registry, base).open()
    opened = dataclasses.replace(opened, module=unwrapped(opened.module))
    device = pick_device(config.device)
    opened.module.to(device)
    bench = Bench(config, opened, device, _transform(opened, config.data), photographs, tuple(trials), ())
    probe = _Probe(bench)
    requests = tuple(_request(trial, probe, registry, base) for trial in trials)
    reached = _reach(bench, probe, requests) if requests else None
    return dataclasses.replace(bench, requests=requests, reached=reached)


def _reach(bench: Bench, probe: _Probe, requests: Sequence[Request]) -> Reached:
    """One pass over the first photograph: what does not fit is found before anything is written."""
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
    shapes = {str(tap): tuple(trace.activations[tap].shape[1:]) for tap in taps}
    return Reached(tally.gradient_calls, shapes, ways, probe.batch.inputs[:1].to("meta"))


def _traced(
    bench: Bench,
    probe: _Probe,
    taps: tuple[Tap, ...],
    targets: Sequence[Target],
    gradients: bool,
    tally: Tally | None = None,
) -> Trace:
    return observe(
        bench.opened.module,
        probe.batch.inputs,
        taps,
        lambda output: [target.pin(output, probe.batch.labels) for target in targets],
        gradients=gradients,
        output=bench.config.model.output,
        tally=tally,
    )


def _request(trial: Trial, probe: _Probe, registry: Registry, base: Path) -> Request:
    target: Target = instantiate("target", trial.target, registry, base)
    return Request(
        label=trial.label,
        use=trial.use,
        method=instantiate("method", Use(trial.use, trial.options), registry, base),
        taps=probe.taps(trial.layers, target),
        target=target,
        finish=build_finish(trial.finish, registry, base),
        seed=trial.seed,
        precision=trial.precision,
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

    def taps(self, layers: Sequence[str], target: Target) -> tuple[Tap, ...]:
        taps: list[Tap] = []
        for spec in layers:
            taps += self._auto(target) if spec == AUTO else resolve(self._bench.opened.module, spec)
        return tuple(dict.fromkeys(taps))

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
        picture = bench.read(photograph)
        if isinstance(picture, Picture):
            return bench.batch([picture])
        reasons.append(picture.error)
    raise DataError("data: none of the photographs can be read:\n" + "\n".join(reasons[:5]))


def build_finish(stages: FinishConfig, registry: Registry, base: Path | None = None) -> Finish:
    """The plugins behind a finish; a stage that says ``none`` is left out."""
    built: dict[str, Any] = {
        stage: None if use.use == "none" else instantiate(STAGES[stage], use, registry, base)
        for stage, use in stages.stages().items()
    }
    return Finish(**built)


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
