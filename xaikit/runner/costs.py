"""What a run will compute, before it does."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from xaikit.bench.bench import Bench
from xaikit.bench.probe import ProbeResult
from xaikit.config.keys import Use
from xaikit.engine import Request
from xaikit.engine.reruns.chunks import ROOM, rows_of_activations, rows_of_inputs
from xaikit.method import further_of, parts_of
from xaikit.needs import union
from xaikit.targets import count_of
from xaikit.trials.placement import NamedTrial

ROW = 100
"""Bytes of a row of records, about."""


MOST_TRIALS = 24
"""Trials that are listed one by one."""


@dataclass(frozen=True)
class PlannedTrial:
    """One trial: its method, layers and target, and what it adds to the one shared pass.

    name     unique in the run
    further  passes or scores of variants, for every sample
    ways     by layer, how replays are made: "joint" of the tail alone, "full" of the whole model; see xaikit.engine.reruns.replay
    traces   passes in place of the one, where the inputs are augmented
    """

    name: str
    use: str
    layers: tuple[str, ...]
    target: str
    further: int = 0
    ways: Mapping[str, str] = field(default_factory=dict)
    traces: int = 1

    def __str__(self) -> str:
        whole = [layer for layer, way in self.ways.items() if way in ("full", "single")]
        tail = [layer for layer in self.ways if layer not in whole]
        parts = [
            f"{self.name}: {self.use} at {', '.join(self.layers)} for {self.target}",
            f"the mean of {self.traces} augmented passes" if self.traces > 1 else "",
            f"and {self.further} further passes a sample" if self.further else "",
            f"of what lies behind {', '.join(tail)} alone" if tail else "",
            f"of the whole model for {', '.join(whole)}" if whole else "",
        ]
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class PlannedBench:
    """One model on one set of photographs, and what all trials on it share.

    requests        calls of a method that a batch takes, all layers of one together
    maps            raw maps that are stored of a photograph, however many trials use each
    gradient_calls  a batch, as the pass over the first photograph took
    further         passes or scores of variants for every photograph, each computed once
    seconds         for all that is missing, as the first photograph took
    memory          bytes of weights, of the pass of a batch, and of its activations and gradients for all targets, about
    available       bytes that the device has; None where that is not known
    disk            bytes of maps and rows for all that is missing, about
    done            photographs that miss nothing
    chunks          how many variants are in memory at once, where a method makes some
    """

    model: str
    device: str
    photographs: int
    batch_size: int
    trials: tuple[PlannedTrial, ...]
    taps: tuple[str, ...]
    requests: int
    maps: int
    gradient_calls: int
    further: int = 0
    seconds: float = 0.0
    memory: int = 0
    available: int | None = None
    disk: int = 0
    done: int = 0
    chunks: str = ""

    @property
    def batches(self) -> int:
        """How often the model is run for all one-pass methods together."""
        return -(-self.photographs // self.batch_size)

    def of_missing(self, count: int) -> PlannedBench:
        """The same where so many photographs miss something, of the plan for all of them."""
        share = count / max(self.photographs, 1)
        seconds, disk = self.seconds * share, round(self.disk * share)
        return replace(self, done=self.photographs - count, seconds=seconds, disk=disk)

    def __str__(self) -> str:
        lines = [
            f"{self.photographs} photographs in {_many(self.batches, 'batch', 'batches')} of {self.batch_size}, "
            f"{self.model} on {self.device}",
            f"a batch: 1 forward and {_many(self.gradient_calls, 'gradient call')} for {_many(len(self.trials), 'trial')} "
            f"at {', '.join(self.taps)}",
            f"a photograph: {_many(self.maps, 'raw map')} of {_many(self.requests, 'request')}"
            + (f", {self.further} further passes" if self.further else ""),
            *(f"  {trial}" for trial in self.trials[:MOST_TRIALS]),
            f"  ... and {len(self.trials) - MOST_TRIALS} more" if len(self.trials) > MOST_TRIALS else "",
            self.chunks,
            f"about {_duration(self.seconds)}, memory {_bytes(self.memory)}, disk {_bytes(self.disk)}; "
            f"{self.done} of {self.photographs} photographs are done",
            self._too_much,
        ]
        return "\n".join(filter(None, lines))

    @property
    def _too_much(self) -> str:
        if self.available is None or self.memory <= self.available:
            return ""
        return (
            f"more memory than the {_bytes(self.available)} of this machine: lower data.batch_size, or explain fewer targets "
            "or layers at once"
        )


@dataclass(frozen=True)
class Plan:
    """Which passes a run makes and who shares them; plain data, no tensors. ``print(plan)`` shows it.

    points  of the sweep
    folder  that the run is written to
    notes   what there is to say before it begins
    """

    benches: tuple[PlannedBench, ...]
    points: int = 1
    folder: str = ""
    notes: tuple[str, ...] = ()

    @property
    def trials(self) -> tuple[PlannedTrial, ...]:
        """Of all benches."""
        return tuple(trial for bench in self.benches for trial in bench.trials)

    @property
    def photographs(self) -> int:
        """Of all benches."""
        return sum(bench.photographs for bench in self.benches)

    @property
    def batches(self) -> int:
        """Of all benches."""
        return sum(bench.batches for bench in self.benches)

    def __str__(self) -> str:
        if len(self.benches) == 1 and self.points == 1:
            return "\n".join([*self.notes, str(self.benches[0])])
        benches = _many(len(self.benches), "bench", "benches")
        head = f"{_many(self.points, 'point')}, {_many(len(self.trials), 'trial')} on {benches}"
        return "\n".join([*self.notes, head, *map(str, self.benches)])


def plan_bench(bench: Bench, seconds: float) -> PlannedBench:
    """The plan for all photographs of a bench, at so many seconds for each."""
    opened, requests = bench.opened, bench.requests()
    count = len(opened.photographs)
    disk = sum(_stored_bytes(bench, request) for request in requests) + ROW * len(bench.evidence)
    return PlannedBench(
        model=opened.name,
        device=str(opened.device),
        photographs=count,
        batch_size=opened.config.data.batch_size,
        trials=tuple(_plan_trial(bench, named) for named in bench.trials),
        taps=tuple(dict.fromkeys(str(tap) for request in requests for tap in request.taps)),
        requests=len(requests),
        maps=len({(request.label, str(tap)) for request in requests for tap in request.taps}),
        gradient_calls=bench.probe.gradient_calls,
        further=further_passes(bench),
        seconds=seconds * count,
        memory=_memory(bench),
        available=machine_memory(opened.device),
        disk=disk * count,
        chunks=_chunks(bench),
    )


def further_passes(bench: Bench) -> int:
    """Passes, and scores of variants, of every photograph beside the shared pass."""
    requests = bench.requests()
    # the passes on augmented inputs are shared by all that ask for the same ones
    augmented = {(one.aggregation.augment, one.seed if one.aggregation.augment.noise else 0) for one in requests}
    shared = sum(augment.count - augment.has_clean for augment, _ in augmented)
    return shared + sum(_variants(bench.probe, request) for request in requests)


def _plan_trial(bench: Bench, named: NamedTrial) -> PlannedTrial:
    trial, request = named.trial, bench.evidence[named.trial.evidence]
    layers, augment = tuple(map(str, request.taps)), trial.aggregation.augment
    ways = bench.probe.ways.get(request.label, {})
    return PlannedTrial(
        name=named.name,
        use=trial.use,
        layers=layers,
        target=_target(trial.target) if request.method.needs.uses_target else "no target, as none plays a part",
        further=augment.count - augment.has_clean + _variants(bench.probe, request),
        ways={layer: way for layer, way in ways.items() if layer in layers},
        traces=augment.count,
    )


def _target(target: Use) -> str:
    """What is explained, in words."""
    options = ", ".join(f"{key} {value}" for key, value in target.options.items())
    return f"{target.use} ({options})" if options else target.use


def _variants(probe: ProbeResult, request: Request) -> int:
    """Passes or scores of variants at the taps of a request, all of them for every augmented input."""
    # noisy passes show all taps at once; what is scored belongs to one tap
    shared = request.method.needs.gradients and not request.method.needs.replays
    shapes = [probe.shapes[str(tap)] for tap in request.taps[: 1 if shared else None]]
    return request.aggregation.augment.count * sum(
        further_of(request.method, channels, math.prod(space)) for channels, *space in shapes
    )


def _stored_bytes(bench: Bench, request: Request) -> int:
    """Of the raw maps of one request and photograph."""
    size = {"float16": 2, "uint8": 1, "float32": 4}[bench.opened.config.report.maps]
    columns = parts_of(request.method) or count_of(request.target) or 1
    return sum(math.prod(bench.probe.shapes[str(tap)][1:]) * columns * size for tap in request.taps)


COPIES = 5
"""Of the activations and gradients at all taps, while a method works on them: as measured of one-pass methods, about."""


def _memory(bench: Bench) -> int:
    """Of the weights, the pass, and what is seen of it at the taps: activations, and a gradient for every target."""
    probe, module = bench.probe, bench.opened.model.module
    weights: int = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    requests = bench.requests()
    taps = {str(tap) for request in requests for tap in request.taps}
    seen = sum(math.prod(probe.shapes[tap]) for tap in taps)
    gradients = probe.targets if any(request.method.needs.gradients for request in requests) else 0
    sample = ROOM * probe.row.numel() + (COPIES * gradients + 1) * seen
    return weights + sample * probe.row.element_size() * bench.opened.config.data.batch_size


def machine_memory(device: torch.device) -> int | None:
    """Bytes of memory that a device has, whoever uses them; None where that is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not of this system
        return None


def _chunks(bench: Bench) -> str:
    """How many variants are in memory at once, where a method makes some."""
    probe = bench.probe
    needs = union(request.method.needs for request in bench.evidence.values())
    parts = [f"{rows_of_inputs(probe.row)} variants of inputs"] if needs.reruns else []
    for layer in dict.fromkeys(layer for ways in probe.ways.values() for layer in ways):
        row = torch.empty(1, *probe.shapes[layer], device="meta")
        parts.append(f"{rows_of_activations(row)} of {layer}")
    return f"at most in memory at once: {', '.join(parts)}" if parts else ""


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
