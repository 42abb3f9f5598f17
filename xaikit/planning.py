"""What a run will compute, before it does. (Not ``plan``: ``xaikit.plan`` is the function.)"""

from __future__ import annotations

from dataclasses import dataclass

from xaikit.bench import Bench
from xaikit.engine import Request, distinct
from xaikit.sweep import Trial


@dataclass(frozen=True)
class PlannedTrial:
    """One label: its method, layers and target, and the further passes that it adds to every batch."""

    label: str
    use: str
    layers: tuple[str, ...]
    target: str
    reruns: int


@dataclass(frozen=True)
class Plan:
    """Which passes a run makes and who shares them; plain data, no tensors. ``print(plan)`` shows it.

    gradient_calls  a batch; known before the run for targets whose number of classes the config states
    """

    model: str
    device: str
    photographs: int
    batch_size: int
    trials: tuple[PlannedTrial, ...]
    taps: tuple[str, ...]
    gradient_calls: int

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
        for trial in self.trials:
            added = f", and {trial.reruns} further passes a batch" if trial.reruns else ""
            lines.append(f"  {trial.label}: {trial.use} at {', '.join(trial.layers)} for {trial.target}{added}")
        return "\n".join(lines)


def plan_of(bench: Bench) -> Plan:
    """The plan of a bench."""
    config = bench.config
    taps = dict.fromkeys(str(tap) for request in bench.requests for tap in request.taps)
    gradients = any(request.method.needs.gradients for request in bench.requests)
    columns = sum(getattr(target, "count", 1) for target in distinct(request.target for request in bench.requests))
    return Plan(
        model=str(config.model.source.options.get("name", config.model.source.use)),
        device=str(bench.device),
        photographs=len(bench.photographs),
        batch_size=config.data.batch_size,
        trials=tuple(map(_planned, bench.trials, bench.requests)),
        taps=tuple(taps),
        gradient_calls=columns if gradients else 0,
    )


def _planned(trial: Trial, request: Request) -> PlannedTrial:
    options = ", ".join(f"{key} {value}" for key, value in trial.target.options.items())
    return PlannedTrial(
        label=trial.label,
        use=trial.use,
        layers=tuple(map(str, request.taps)),
        target=f"{trial.target.use} ({options})" if options else trial.target.use,
        reruns=int(getattr(request.method, "reruns", 0)),
    )
