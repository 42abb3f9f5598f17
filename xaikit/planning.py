"""What a run will compute, before it does. (Not ``plan``: ``xaikit.plan`` is the function.)"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from xaikit.bench import Bench
from xaikit.chunks import rows_of_activations, rows_of_inputs
from xaikit.engine import Request
from xaikit.needs import union
from xaikit.sweep import Trial


@dataclass(frozen=True)
class PlannedTrial:
    """One label: its method, layers and target, and what it adds to the one shared pass.

    further  passes or scores of variants, for every sample
    ways     by layer, how replays are made: "joint" of the tail alone, "full" of the whole model; see xaikit.replay
    """

    label: str
    use: str
    layers: tuple[str, ...]
    target: str
    further: int = 0
    ways: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        said = f"{self.label}: {self.use} at {', '.join(self.layers)} for {self.target}"
        if self.further:
            said += f", and {self.further} further passes a sample"
        whole = [layer for layer, way in self.ways.items() if way in ("full", "single")]
        tail = [layer for layer in self.ways if layer not in whole]
        if tail:
            said += f", of what lies behind {', '.join(tail)} alone"
        return said + (f", of the whole model for {', '.join(whole)}" if whole else "")


@dataclass(frozen=True)
class Plan:
    """Which passes a run makes and who shares them; plain data, no tensors. ``print(plan)`` shows it.

    gradient_calls  a batch, as the pass over the first photograph took
    chunks          how many variants are in memory at once, where a method makes some
    """

    model: str
    device: str
    photographs: int
    batch_size: int
    trials: tuple[PlannedTrial, ...]
    taps: tuple[str, ...]
    gradient_calls: int
    chunks: str = ""

    @property
    def batches(self) -> int:
        """How often the model is run for all one-pass methods together."""
        return -(-self.photographs // self.batch_size)

    def __str__(self) -> str:
        lines = [
            f"{self.photographs} photographs in {self.batches} batch{'' if self.batches == 1 else 'es'} of {self.batch_size}, "
            f"{self.model} on {self.device}",
            f"a batch: 1 forward and {self.gradient_calls} gradient call{'s' if self.gradient_calls != 1 else ''} "
            f"for {len(self.trials)} methods at {', '.join(self.taps)}",
        ]
        lines += [f"  {trial}" for trial in self.trials]
        if self.chunks:
            lines.append(self.chunks)
        return "\n".join(lines)


def plan_of(bench: Bench) -> Plan:
    """The plan of a bench."""
    config = bench.config
    taps = dict.fromkeys(str(tap) for request in bench.requests for tap in request.taps)
    return Plan(
        model=str(config.model.source.options.get("name", config.model.source.use)),
        device=str(bench.device),
        photographs=len(bench.photographs),
        batch_size=config.data.batch_size,
        trials=tuple(
            _planned(bench, trial, request) for trial, request in zip(bench.trials, bench.requests, strict=True)
        ),
        taps=tuple(taps),
        gradient_calls=bench.reached.gradient_calls if bench.reached else 0,
        chunks=_chunks(bench),
    )


def _chunks(bench: Bench) -> str:
    """How many variants are in memory at once, where a method makes some."""
    reached = bench.reached
    if reached is None:
        return ""
    needs = union(request.method.needs for request in bench.requests)
    parts = [f"{rows_of_inputs(reached.row)} variants of inputs"] if needs.reruns else []
    for layer in dict.fromkeys(layer for ways in reached.ways.values() for layer in ways):
        row = torch.empty(1, *reached.shapes[layer], device="meta")
        parts.append(f"{rows_of_activations(row)} of {layer}")
    return f"at most in memory at once: {', '.join(parts)}" if parts else ""


def _planned(bench: Bench, trial: Trial, request: Request) -> PlannedTrial:
    # noisy passes show all taps at once; what is scored belongs to one tap
    shared = request.method.needs.gradients and not request.method.needs.replays
    options = ", ".join(f"{key} {value}" for key, value in trial.target.options.items())
    return PlannedTrial(
        label=trial.label,
        use=trial.use,
        layers=tuple(map(str, request.taps)),
        target=f"{trial.target.use} ({options})" if options else trial.target.use,
        further=sum(_further(bench, request, str(tap)) for tap in request.taps[: 1 if shared else None]),
        ways=bench.reached.ways.get(trial.label, {}) if bench.reached else {},
    )


def _further(bench: Bench, request: Request, layer: str) -> int:
    count = getattr(request.method, "further", None)
    if count is None or bench.reached is None:
        return 0
    channels, *space = bench.reached.shapes[layer]
    return int(count(channels, math.prod(space)))
