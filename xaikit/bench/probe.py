"""The first photograph of a bench: layers found, and everything tried, before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property

from xaikit.bench.bench import Bench, ProbeResult
from xaikit.bench.loader import Picture
from xaikit.engine import Batch
from xaikit.engine.session import distinct, replay_ways
from xaikit.errors import DataError
from xaikit.evidence import auto
from xaikit.evidence.observe import Tally, observe
from xaikit.evidence.pinned import pin, readout_of
from xaikit.evidence.taps import AUTO, Tap, resolve
from xaikit.evidence.trace import Trace
from xaikit.layouts import Arrangement
from xaikit.targets import Target


def _reach(bench: Bench, probe: _Probe) -> ProbeResult:
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
            _traced(bench, probe, request.taps, [request.target], gradients=False),
            request,
            bench.config.model.output,
        )
        for request in requests
        if request.method.needs.replays
    }
    shapes = {str(tap): tuple(trace.activations[trace.served(tap)].shape[1:]) for tap in taps}
    return ProbeResult(tally.gradient_calls, shapes, ways, probe.batch.inputs[:1].to("meta"), trace.space)


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
    return observe(
        bench.opened.module,
        probe.batch.inputs,
        taps,
        lambda output: [pin(target, output, probe.batch.labels) for target in targets],
        gradients=gradients,
        readout=readout_of(targets, bench.config.model.output),
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
