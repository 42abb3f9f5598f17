"""The first photograph of a bench: everything is tried on it before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from xaikit.bench.opened import OpenedBench
from xaikit.engine import Batch, Request
from xaikit.engine.requests import equal
from xaikit.engine.session import distinct, replay_ways, trace_requests
from xaikit.layouts import stride
from xaikit.method import parts_of
from xaikit.passes.nests import first_tensor
from xaikit.passes.tally import Tally


@dataclass(frozen=True)
class ProbeResult:
    """What the pass over the first photograph found out.

    gradient_calls  that a batch costs
    shapes  (channels, *space) by layer
    ways    by request and layer, how its replays will be made
    row     one input, its shape alone
    targets places on the axis of targets, of all targets together
    plural  the labels of the requests whose maps have such an axis
    space   of the model's input
    """

    gradient_calls: int
    shapes: Mapping[str, tuple[int, ...]]
    ways: Mapping[str, Mapping[str, str]]
    row: Tensor
    targets: int
    space: tuple[int, ...]
    plural: frozenset[str]

    def stride(self, layer: str) -> float:
        """Input pixels a cell."""
        return stride(self.shapes[layer][1:], self.space)


def probe(opened: OpenedBench, batch: Batch, requests: Sequence[Request]) -> ProbeResult:
    """One pass over a batch for all requests: what does not fit is found before anything is written.

    Raises:
        TapError, Disconnected, ConfigError: a layer cannot be explained, a target does not fit, or classes are not as many as
            outputs.
    """
    model, config, tally = opened.model.module, opened.config.model, Tally()
    trace = trace_requests(model, batch, requests, output=config.output, mode=config.mode, tally=tally)
    opened.loader.classes.check_count(trace.output)
    ways: dict[str, dict[str, str]] = {}
    for request in requests:
        if request.method.needs.replays:
            alone = trace_requests(model, batch, [request], output=config.output, mode=config.mode, gradients=False)
            ways[request.label] = replay_ways(model, alone, request, config.output, config.mode)
    taps = [tap for request in requests for tap in request.taps]
    shapes = {str(tap): tuple(trace.activations[trace.served(tap)].shape[1:]) for tap in taps}
    targets = distinct(request.target for request in requests)
    plural = frozenset(
        request.label
        for request in requests
        for target, pinned in zip(targets, trace.pinned, strict=True)
        if parts_of(request.method) or (equal(target, request.target) and pinned.plural)
    )
    row = first_tensor(batch.inputs)[:1].to("meta")
    return ProbeResult(tally.gradient_calls, shapes, ways, row, trace.scores.shape[1], trace.space, plural)
