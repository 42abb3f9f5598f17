"""Methods called at their taps, for groups of requests; the mean over variants of the batch, where a request asks for some."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from xaikit.draws import SampleGenerator, seeded
from xaikit.engine.augment import variants
from xaikit.engine.raw_maps import RawMaps, check_saliency, mean_of, of_numbers
from xaikit.engine.requests import PinnedRequest, Request, RequestGroup, SharedPass
from xaikit.engine.seal import Seal, shared_tensors
from xaikit.engine.variant_traces import VariantTraces
from xaikit.errors import ConfigError, PluginContract
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.method import parts_of, variants_of
from xaikit.passes.process import as_before
from xaikit.passes.retraces import RetraceCache
from xaikit.reruns.context import PassContext
from xaikit.reruns.rescore import OutputCache
from xaikit.reruns.view_reruns import ViewReruns
from xaikit.view import Reduction, View


class Explainer:
    """Explains groups of requests from the pass that they share.

    Args:
        requests: all that are explained: they share the passes on variants of the batch as well.
    """

    def __init__(self, shared: SharedPass, requests: Sequence[PinnedRequest]) -> None:
        self._shared = shared
        self._variant_traces = VariantTraces(shared, requests)

    def raw_maps(self, group: RequestGroup, outputs: OutputCache | None) -> dict[Tap, RawMaps]:
        """What the method returns at every tap of a group.

        Args:
            outputs: for the re-run variants of this group that other groups ask for too.

        Raises:
            ConfigError: the request asks for what the method or the model cannot do.
            UndeclaredNeed, PluginContract: the method broke its word; label and layer are added as a note.
        """
        request = group.common
        if not request.aggregation.augment:
            return self._at_taps(group, group.taps, self._shared.trace, outputs)
        if parts_of(request.method):
            raise ConfigError(
                f"augment: {request.use} makes parts of its own on every variant, in any order: there is no mean of "
                "them; leave it out"
            )
        by_tap: dict[Tap, list[RawMaps]] = {tap: [] for tap in group.taps}
        places: dict[Tap, list[int]] = {tap: [] for tap in group.taps}
        for variant in variants(request.aggregation.augment):
            for taps, trace in self._variant_traces.of(variant, request, group.taps):
                # outputs are of the clean inputs
                for tap, raw in self._at_taps(group, taps, trace, None).items():
                    undone = variant.undone(raw.saliency, self._shared.trace.activations[tap].shape[2:])
                    by_tap[tap].append(replace(raw, saliency=undone))
                    places[tap].append(math.prod(raw.saliency.shape[2:]))
        return {tap: mean_of(raw_maps, places[tap]) for tap, raw_maps in by_tap.items()}

    def _at_taps(
        self, group: RequestGroup, taps: Sequence[Tap], trace: Trace, outputs: OutputCache | None
    ) -> dict[Tap, RawMaps]:
        trace = trace.narrowed(group.places, taps)
        retraces = RetraceCache[Trace](shared=len(taps) > 1)
        return {
            tap: retraces.at_tap(partial(self._at_tap, group, trace.at(tap), tap, retraces, outputs)) for tap in taps
        }

    def _at_tap(
        self, group: RequestGroup, trace: Trace, tap: Tap, retraces: RetraceCache[Trace], outputs: OutputCache | None
    ) -> RawMaps:
        shared, request = self._shared, group.common
        batch, precision = shared.batch, request.precision
        context = PassContext(
            shared.model, trace, tap, shared.readout, shared.tally, precision, batch.shared, batch.picture, batch.layout
        )
        reduction = Reduction(request.aggregation.reduce)
        draw = partial(_generator, request, batch.ids, trace.scores)
        view = ViewReruns(context, request.method.needs, draw, retraces, outputs, reduction).view(trace)
        saliency = _saliency(group, view, context, shared.differentiable)
        if request.method.needs.uses_target:
            saliency = of_numbers(saliency, trace.scores)
        if reduction.kind != "sum" and not reduction.applied:
            raise ConfigError(
                f"reduce: {reduction.kind} plays no part in {request.use}, which sums no weighed channels: leave it out"
            )
        parts = parts_of(request.method)
        return RawMaps(saliency, tuple(view.noted), tuple(context.remarks), view.numbers, parts)


class ChangedEvidence(PluginContract):
    """A method changed in place what others are explained from."""

    def __init__(self, message: str, requests: Sequence[Request]) -> None:
        super().__init__(message)
        self.requests = requests


def _saliency(group: RequestGroup, view: View, context: PassContext, differentiable: bool) -> Tensor:
    request = group.common
    seal = Seal(shared_tensors(context.trace, context.tap, request.method.needs.inputs))
    try:
        with torch.set_grad_enabled(differentiable), as_before(request.use) as remarks:
            saliency = request.method.explain(view)
        if broken := seal.broken():
            raise ChangedEvidence(
                f"{request.use}: expected the evidence as it was, which others are explained from, got a change in place of "
                f"the {' and the '.join(broken)}; clone() it first",
                [member.request for member in group.members],
            )
        check_saliency(saliency, view.shape, parts_of(request.method))
    except Exception as error:
        error.add_note(f"while explaining {request.label!r} at layer {view.layer}")
        raise
    for remark in remarks:
        context.remark(remark)
    return saliency


def _generator(request: Request, samples: tuple[str, ...], like: Tensor) -> SampleGenerator:
    """Seeded by seed, method, options and sample alone: neither label, batch, layer nor device changes what is drawn.

    A method that says what its variants depend on draws the same numbers for all other options.
    """
    method = request.method
    options: Any = variants_of(method)
    if options is None:
        fields = dataclasses.fields(method)  # type: ignore[arg-type]
        options = {field.name: getattr(method, field.name) for field in fields}
    options = json.dumps(options, sort_keys=True, default=repr)
    return seeded(f"{request.seed}|{request.use}|{options}", samples, like)
