"""What a run will compute, before it does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from xaikit.bench.bench import Bench
from xaikit.config import Use
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
        said = f"{self.name}: {self.use} at {', '.join(self.layers)} for {self.target}"
        said += f", the mean of {self.traces} augmented passes" if self.traces > 1 else ""
        if self.further:
            said += f", and {self.further} further passes a sample"
        whole = [layer for layer, way in self.ways.items() if way in ("full", "single")]
        tail = [layer for layer in self.ways if layer not in whole]
        if tail:
            said += f", of what lies behind {', '.join(tail)} alone"
        return said + (f", of the whole model for {', '.join(whole)}" if whole else "")


@dataclass(frozen=True)
class PlannedBench:
    """One model on one set of photographs, and what all trials on it share.

    questions       calls of a method that a batch takes, all layers of one together
    maps            raw maps that are kept of a photograph, however many trials use each
    gradient_calls  a batch, as the pass over the first photograph took
    further         passes or scores of variants for every photograph, each computed once
    seconds         for all that is missing, as the first photograph took; None where nothing was tried
    memory          bytes of weights and of the activations of a batch, about
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
    questions: int
    maps: int
    gradient_calls: int
    further: int = 0
    seconds: float | None = None
    memory: int = 0
    disk: int = 0
    done: int = 0
    chunks: str = ""

    @property
    def batches(self) -> int:
        """How often the model is run for all one-pass methods together."""
        return -(-self.photographs // self.batch_size)

    def __str__(self) -> str:
        lines = [
            f"{self.photographs} photographs in {_many(self.batches, 'batch', 'batches')} of {self.batch_size}, "
            f"{self.model} on {self.device}",
            f"a batch: 1 forward and {_many(self.gradient_calls, 'gradient call')} for {_many(len(self.trials), 'trial')} "
            f"at {', '.join(self.taps)}",
            f"a photograph: {_many(self.maps, 'raw map')} of {_many(self.questions, 'question')}"
            + (f", {self.further} further passes" if self.further else ""),
        ]
        lines += [f"  {trial}" for trial in self.trials[:MOST_TRIALS]]
        if len(self.trials) > MOST_TRIALS:
            lines.append(f"  ... and {len(self.trials) - MOST_TRIALS} more")
        if self.chunks:
            lines.append(self.chunks)
        about = [f"memory {_bytes(self.memory)}", f"disk {_bytes(self.disk)}"]
        if self.seconds is not None:
            about.insert(0, _duration(self.seconds))
        lines.append(f"about {', '.join(about)}; {self.done} of {self.photographs} photographs are done")
        return "\n".join(lines)


@dataclass(frozen=True)
class Plan:
    """Which passes a run makes and who shares them; plain data, no tensors. ``print(plan)`` shows it.

    points  of the sweep
    folder  that the run is written to
    """

    benches: tuple[PlannedBench, ...]
    points: int = 1
    folder: str = ""

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
            return str(self.benches[0])
        benches = _many(len(self.benches), "bench", "benches")
        head = f"{_many(self.points, 'point')}, {_many(len(self.trials), 'trial')} on {benches}"
        return "\n".join([head, *map(str, self.benches)])


def planned(bench: Bench, missing: int, seconds: float | None = None) -> PlannedBench:
    """The plan of a bench, ``missing`` of whose photographs miss something, at so many seconds for each."""
    config = bench.config
    requests = bench.requests(tuple(bench.asked))
    taps = dict.fromkeys(str(tap) for request in requests for tap in request.taps)
    # the passes on augmented inputs are shared by all that ask for the same ones
    augmented = {(one.aggregation.augment, one.seed if one.aggregation.augment.noise else 0) for one in requests}
    further = sum(_further(bench, request) - _traces(request) for request in requests)
    further += sum(augment.count - augment.has_clean for augment, _ in augmented)
    disk = sum(_stored_bytes(bench, request) for request in requests) + ROW * len(bench.asked)
    return PlannedBench(
        model=model_name(bench),
        device=str(bench.device),
        photographs=len(bench.photographs),
        batch_size=config.data.batch_size,
        trials=tuple(_planned(bench, placed) for placed in bench.placed),
        taps=tuple(taps),
        questions=len(requests),
        maps=len({key for asked in bench.asked.values() for key in asked.keys}),
        gradient_calls=bench.reached.gradient_calls if bench.reached else 0,
        further=further,
        seconds=None if seconds is None else seconds * missing,
        memory=_memory(bench),
        disk=disk * missing,
        done=len(bench.photographs) - missing,
        chunks=_chunks(bench),
    )


def model_name(bench: Bench) -> str:
    """What a person calls the model."""
    source = bench.config.model.source
    return str(source.options.get("name") or source.options.get("factory") or source.use)


def _stored_bytes(bench: Bench, request: Request) -> int:
    """Of the raw maps of one question and photograph."""
    if bench.reached is None:
        return 0
    kept = {"float16": 2, "uint8": 1, "float32": 4}[bench.config.report.maps]
    columns = parts_of(request.method) or count_of(request.target) or 1
    return sum(math.prod(bench.reached.shapes[str(tap)][1:]) * columns * kept for tap in request.taps)


def _memory(bench: Bench) -> int:
    weights: int = sum(value.numel() * value.element_size() for value in bench.opened.module.state_dict().values())
    if bench.reached is None:
        return weights
    row = bench.reached.row
    alive: int = ROOM * row.numel() * row.element_size() * bench.config.data.batch_size
    return weights + alive


def _chunks(bench: Bench) -> str:
    """How many variants are in memory at once, where a method makes some."""
    reached = bench.reached
    if reached is None:
        return ""
    needs = union(asked.request.method.needs for asked in bench.asked.values())
    parts = [f"{rows_of_inputs(reached.row)} variants of inputs"] if needs.reruns else []
    for layer in dict.fromkeys(layer for ways in reached.ways.values() for layer in ways):
        row = torch.empty(1, *reached.shapes[layer], device="meta")
        parts.append(f"{rows_of_activations(row)} of {layer}")
    return f"at most in memory at once: {', '.join(parts)}" if parts else ""


def _planned(bench: Bench, placed: NamedTrial) -> PlannedTrial:
    trial, asked = placed.trial, bench.asked[placed.trial.evidence]
    ways = bench.reached.ways.get(asked.request.label, {}) if bench.reached else {}
    return PlannedTrial(
        name=placed.name,
        use=trial.use,
        layers=tuple(map(str, asked.taps)),
        target=_target(trial.target, asked.request),
        further=_further(bench, asked.request, asked.taps),
        traces=trial.aggregation.augment.count,
        ways={layer: way for layer, way in ways.items() if layer in set(map(str, asked.taps))},
    )


def _target(target: Use, request: Request) -> str:
    """What is explained, in words."""
    if not request.method.needs.uses_target:
        return "no target, as none plays a part"
    options = ", ".join(f"{key} {value}" for key, value in target.options.items())
    return f"{target.use} ({options})" if options else target.use


def _further(bench: Bench, request: Request, taps: tuple[object, ...] | None = None) -> int:
    """Further passes of one question, at some of its taps; all of them for every variant of an augmented input."""
    return _traces(request) + request.aggregation.augment.count * _of_one_trace(bench, request, taps)


def _traces(request: Request) -> int:
    """Passes beside the one that is made anyhow."""
    augment = request.aggregation.augment
    return augment.count - augment.has_clean


def _of_one_trace(bench: Bench, request: Request, taps: tuple[object, ...] | None) -> int:
    if bench.reached is None:
        return 0
    # noisy passes show all taps at once; what is scored belongs to one tap
    shared = request.method.needs.gradients and not request.method.needs.replays
    shapes = [bench.reached.shapes[str(tap)] for tap in taps or request.taps][: 1 if shared else None]
    return sum(further_of(request.method, channels, math.prod(space)) for channels, *space in shapes)


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
