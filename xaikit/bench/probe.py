"""The first photograph of a bench: everything is tried on it before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from xaikit.bench.opened import OpenedBench
from xaikit.engine import Batch, Request
from xaikit.engine.session import distinct, replay_ways
from xaikit.evidence.forward import reading
from xaikit.evidence.observe import Tally, observe
from xaikit.evidence.pinned import layers_of, pin
from xaikit.evidence.trace import Trace
from xaikit.layouts import stride


@dataclass(frozen=True)
class ProbeResult:
    """What the pass over the first photograph found out.

    gradient_calls  that a batch costs
    shapes  (channels, *space) by layer
    ways    by request and layer, how its replays will be made
    row     one input, its shape alone
    space   of the model's input
    """

    gradient_calls: int
    shapes: Mapping[str, tuple[int, ...]]
    ways: Mapping[str, Mapping[str, str]]
    row: Tensor
    space: tuple[int, ...]

    def stride(self, layer: str) -> float:
        """Input pixels a cell."""
        return stride(self.shapes[layer][1:], self.space)


def probe(opened: OpenedBench, batch: Batch, requests: Sequence[Request]) -> ProbeResult:
    """One pass over a batch for all requests: what does not fit is found before anything is written.

    Raises:
        TapError, Disconnected, ConfigError: a layer cannot be explained, or a target does not fit.
    """
    tally = Tally()
    trace = trace_requests(opened, batch, requests, tally=tally)
    ways = {request.label: _ways(opened, batch, request) for request in requests if request.method.needs.replays}
    taps = [tap for request in requests for tap in request.taps]
    shapes = {str(tap): tuple(trace.activations[trace.served(tap)].shape[1:]) for tap in taps}
    return ProbeResult(tally.gradient_calls, shapes, ways, batch.inputs[:1].to("meta"), trace.space)


def trace_requests(
    opened: OpenedBench,
    batch: Batch,
    requests: Sequence[Request],
    *,
    gradients: bool = True,
    tally: Tally | None = None,
) -> Trace:
    """The pass that all requests share; without ``gradients`` none are computed, whoever needs them."""
    targets = distinct(request.target for request in requests)
    with reading(layers_of(targets)):
        return observe(
            opened.model.module,
            batch.inputs,
            tuple(dict.fromkeys(tap for request in requests for tap in request.taps)),
            lambda output: [pin(target, output, batch.labels) for target in targets],
            gradients=gradients and any(request.method.needs.gradients for request in requests),
            output=opened.config.model.output,
            tally=tally,
        )


def _ways(opened: OpenedBench, batch: Batch, request: Request) -> dict[str, str]:
    trace = trace_requests(opened, batch, [request], gradients=False)
    return replay_ways(opened.model.module, batch, trace, request, opened.config.model.output)
