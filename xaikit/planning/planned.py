"""What a run will do, as plain values that print themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xaikit.plain.text import duration

MOST_TRIALS = 24
"""Trials that are listed one by one."""


@dataclass(frozen=True)
class PlannedTrial:
    """One trial: its method, layers and target, and what it adds to the one shared pass.

    name     unique in the run
    further  passes or scores of variants, for every sample
    ways     by layer, how replays are made: "joint" of the tail alone, "full" of the whole model; see xaikit.reruns.replay
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
class PlannedPictures:
    """What the pictures of some photographs cost: seconds, and bytes on disk; and bytes of one picture on a contact sheet."""

    seconds: float
    bytes: int
    cell: int

    def of(self, times: float) -> PlannedPictures:
        """Of so many times as many photographs."""
        return replace(self, seconds=self.seconds * times, bytes=round(self.bytes * times))


@dataclass(frozen=True)
class PlannedEvaluation:
    """What judging the maps of a bench costs.

    metrics       their names
    photographs   whose maps are to be judged
    cases         maps of one photograph that are judged, copies and controls among them
    scores        of variants, for each photograph
    explanations  of each photograph at other inputs
    seconds       for all of them
    """

    metrics: tuple[str, ...]
    photographs: int
    cases: int
    scores: int
    explanations: int
    seconds: float

    def of(self, photographs: int) -> PlannedEvaluation:
        """Of so many photographs."""
        share = photographs / max(self.photographs, 1)
        return replace(self, photographs=photographs, seconds=self.seconds * share)

    def __str__(self) -> str:
        again = f" and {self.explanations:,} explanations again" if self.explanations else ""
        return (
            f"metrics: {', '.join(self.metrics)}: {self.cases} maps a photograph with controls and blurred copies, at most "
            f"{self.scores:,} further scores{again} for each of {self.photographs} photographs, about {duration(self.seconds)}"
        )


@dataclass(frozen=True)
class PlannedBench:
    """One model on one set of photographs, and what all trials on it share.

    requests        calls of a method that a batch takes, all layers of one together
    maps            raw maps that are stored of a photograph, however many trials use each
    gradient_calls  a batch, as the pass over the first photograph took
    forwards        a batch: more than one where the gradients for all targets are not in memory at once
    further         passes or scores of variants for every photograph, each computed once
    seconds         for all that is missing, as the first photograph took
    memory          bytes of weights, of the pass of a batch, and of its activations and gradients for all targets, about
    available       bytes that the device has; None where that is not known
    disk            bytes of maps and rows for all that is missing, about
    done            photographs that miss nothing
    chunks          how many variants are in memory at once, where a method makes some
    overlays        pictures that are drawn of all that is missing; none are where ``drawing`` is None
    drawing         what they cost beside
    evaluation      what is to be judged; None where no metric is
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
    forwards: int = 1
    overlays: int = 0
    drawing: PlannedPictures | None = None
    evaluation: PlannedEvaluation | None = None

    @property
    def batches(self) -> int:
        """How often the model is run for all one-pass methods together."""
        return -(-self.photographs // self.batch_size)

    def of_missing(self, count: int, unjudged: int | None = None) -> PlannedBench:
        """The same where so many photographs miss something, and so many are to be judged, of the plan for all of them."""
        share = count / max(self.photographs, 1)
        judging = count if unjudged is None else unjudged
        evaluation = None if self.evaluation is None or not judging else self.evaluation.of(judging)
        return replace(
            self,
            done=self.photographs - count,
            seconds=self.seconds * share,
            disk=round(self.disk * share),
            overlays=round(self.overlays * share),
            drawing=None if self.drawing is None else self.drawing.of(share),
            evaluation=evaluation,
        )

    def __str__(self) -> str:
        lines = [
            f"{self.photographs} photographs in {_many(self.batches, 'batch', 'batches')} of {self.batch_size}, "
            f"{self.model} on {self.device}",
            f"a batch: {_many(self.forwards, 'forward')} and {_many(self.gradient_calls, 'gradient call')} "
            f"for {_many(len(self.trials), 'trial')} at {', '.join(self.taps)}",
            f"a photograph: {_many(self.maps, 'raw map')} from {_many(self.requests, 'call of a method', 'calls of methods')}"
            + (f", {self.further} further passes" if self.further else ""),
            *(f"  {trial}" for trial in self.trials[:MOST_TRIALS]),
            f"  ... and {len(self.trials) - MOST_TRIALS} more" if len(self.trials) > MOST_TRIALS else "",
            self.chunks,
            str(self.evaluation or ""),
            f"about {duration(self.total_seconds)}, memory {_bytes(self.memory)}, disk {_bytes(self.total_bytes)}"
            + (f" with {_many(self.overlays, 'overlay')}" if self.drawing and self.overlays else "")
            + f"; {self.done} of {self.photographs} photographs are done",
            self._too_much,
        ]
        return "\n".join(filter(None, lines))

    @property
    def total_seconds(self) -> float:
        """Of all that is missing, drawing and judging included."""
        parts = (self.drawing, self.evaluation)
        return self.seconds + sum(part.seconds for part in parts if part is not None)

    @property
    def total_bytes(self) -> int:
        """On disk, of all that is missing, pictures included."""
        return self.disk + (self.drawing.bytes if self.drawing else 0)

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
    pages   of the contact sheet
    sheet   bytes of these
    undrawn why no pictures are drawn, "" where they are or nobody asks
    """

    benches: tuple[PlannedBench, ...]
    points: int = 1
    folder: str = ""
    notes: tuple[str, ...] = ()
    pages: int = 0
    sheet: int = 0
    undrawn: str = ""

    @property
    def seconds(self) -> float:
        """Of all that is missing."""
        return sum(bench.total_seconds for bench in self.benches)

    @property
    def trials(self) -> tuple[PlannedTrial, ...]:
        """Of all benches."""
        return tuple(trial for bench in self.benches for trial in bench.trials)

    @property
    def photographs(self) -> int:
        """Of all benches."""
        return sum(bench.photographs for bench in self.benches)

    @property
    def judged(self) -> int:
        """Photographs whose maps are to be judged, of all benches."""
        return sum(bench.evaluation.photographs for bench in self.benches if bench.evaluation)

    def share(self, explained: float, judged: float) -> float:
        """The share of the planned time that so many photographs take which miss maps, and so many which are to be judged."""
        missing = self.photographs - sum(bench.done for bench in self.benches)
        judging = sum(bench.evaluation.seconds for bench in self.benches if bench.evaluation)
        explaining = self.seconds - judging
        parts = ((explained, missing, explaining), (judged, self.judged, judging))
        taken = sum(count / total * seconds for count, total, seconds in parts if total)
        return taken / self.seconds if self.seconds else (explained + judged) / max(missing + self.judged, 1)

    @property
    def batches(self) -> int:
        """Of all benches."""
        return sum(bench.batches for bench in self.benches)

    def __str__(self) -> str:
        pages = [f"contact sheet: {_many(self.pages, 'page')}, {_bytes(self.sheet)}"] if self.pages else []
        tail = [*pages, *([self.undrawn] if self.undrawn else [])]
        if len(self.benches) == 1 and self.points == 1:
            return "\n".join([*self.notes, str(self.benches[0]), *tail])
        models = _many(len(self.benches), "model with its data", "models with their data")
        trials = f"{_many(len(self.trials), 'trial')} (a method with its layers, target and finish)"
        head = f"{_many(self.points, 'point')} of the sweep, {trials} on {models}"
        return "\n".join([*self.notes, head, *map(str, self.benches), *tail])


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
