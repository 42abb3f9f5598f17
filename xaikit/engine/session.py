"""Explain a batch by every method that was asked for, from one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from xaikit.engine.assemble import assemble
from xaikit.engine.columns import joined
from xaikit.engine.diagnosis import Evidence
from xaikit.engine.differentiable import check_differentiable
from xaikit.engine.explainer import ChangedEvidence, Explainer
from xaikit.engine.raw_maps import RawMaps
from xaikit.engine.requests import Batch, PinnedRequest, Request, RequestGroup, SharedPass, equal, group_requests
from xaikit.evidence import forward
from xaikit.evidence.conditions import unwrapped
from xaikit.evidence.observe import observe
from xaikit.evidence.pinned import pin, readout_of
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.explanation import Explanation, RemarkCounts
from xaikit.method import parts_of, variants_of
from xaikit.needs import union
from xaikit.passes import dependence
from xaikit.passes.modes import Mode, trained_inside
from xaikit.passes.nests import copied, tensors_in
from xaikit.passes.process import as_before
from xaikit.passes.tally import Tally
from xaikit.reruns.context import PassContext
from xaikit.reruns.replay import Replay
from xaikit.reruns.rescore import OutputCache
from xaikit.targets import Target, plural_of

Failed = Callable[[Request, Exception], None]


def explain(
    model: nn.Module,
    batch: Batch,
    requests: Sequence[Request],
    *,
    output: str | int = forward.AUTO,
    mode: Mode = "eval",
    tally: Tally | None = None,
    may_stop: bool = False,
    failed: Failed | None = None,
    differentiable: bool = False,
) -> tuple[Trace, dict[str, Explanation]]:
    """Explain one batch by every request.

    Args:
        output: the part of the model's output that targets score, see :func:`xaikit.evidence.forward.select`.
        mode: that the modules run in: all evaluate, or each is as it is.
        tally: counts forwards and gradient calls, if given.
        may_stop: leave the forward behind the last layer if no method needs a score; then scores are NaN.
        failed: is given what one request raised, and the others go on; without it, it is raised. Where a method has changed
            the evidence of the others they are explained once more: what has an explanation then has not failed.
        differentiable: keep the graph from the weights to the maps.

    Returns:
        The trace of the shared pass, and the explanation of every label that did not fail.

    Raises:
        TapError, Disconnected, ConfigError: the pass cannot serve a layer or a target.
        UndeclaredNeed, PluginContract: a method broke its word; label and layer are added as a note.
    """
    model, tally = unwrapped(model), tally or Tally()
    stop = may_stop and _may_stop(requests)
    left = list(requests)
    inputs = copied(batch.inputs) if any(request.method.needs.inputs for request in requests) else ()
    conditions = dict[str, Any](output=output, mode=mode, tally=tally, stop=stop, differentiable=differentiable)

    def observe_from(first: int) -> Trace:
        return trace_requests(model, batch, left or requests, first=first, **conditions)

    if differentiable:
        check_differentiable(requests)
    with as_before("the model or a target"), torch.set_grad_enabled(differentiable or torch.is_grad_enabled()):
        while True:
            trace = observe_from(0)
            try:
                shared = SharedPass(model, batch, trace, _readout(left, output, mode), tally, differentiable)
                explanations = _explanations(shared, left, failed, observe_from)
                reasons = list(_reasons(model, trace, mode))
                return trace, {label: remarked(one, reasons) for label, one in explanations.items()}
            except ChangedEvidence as error:
                for (_, tensor), (_, before) in zip(tensors_in(batch.inputs), tensors_in(inputs), strict=False):
                    tensor.data.copy_(before)
                if failed is None:
                    raise
                for request in error.requests:
                    failed(request, error)
                # what others were explained from may have been changed by then: once more, without the guilty
                guilty = {request.label for request in error.requests}
                left = [request for request in left if request.label not in guilty]


def _readout(requests: Sequence[Request], output: str | int, mode: Mode) -> forward.Readout:
    return readout_of(distinct(request.target for request in requests), output, mode)


def _explanations(
    shared: SharedPass, requests: Sequence[Request], failed: Failed | None, observe_from: Callable[[int], Trace]
) -> dict[str, Explanation]:
    """By label, in the order of the requests; a share of the targets at a time where one pass does not serve them all."""
    targets = distinct(request.target for request in requests)
    # a trace that stopped early knows one target, which is none
    equals = [[equal(one, request.target) for one in targets] for request in requests]
    places = [row.index(True) if shared.trace.output is not None else 0 for row in equals]
    left, shares = list(zip(requests, places, strict=True)), defaultdict[str, list[Explanation]](list)
    while True:
        columns = shared.trace.columns
        served = [(request, place) for request, place in left if columns[place].stop > columns[place].start]
        explanations = _explain_served(shared, served, failed)
        for label, explanation in explanations.items():
            shares[label].append(explanation)
        lost = {request.label for request, _ in served} - explanations.keys()
        left = [(request, place) for request, place in left if request.label not in lost]
        if shared.trace.rest is None:
            return {one.label: joined(shares[one.label], parts_of(one.method) > 0) for one, _ in left}
        shared = replace(shared, trace=observe_from(shared.trace.rest))


def _explain_served(
    shared: SharedPass, served: Sequence[tuple[Request, int]], failed: Failed | None
) -> dict[str, Explanation]:
    session = _Session(shared.trace, failed)
    pinned = session.pinned([request for request, _ in served], [place for _, place in served])
    return session.explain(pinned, Explainer(shared, pinned))


def trace_requests(
    model: nn.Module,
    batch: Batch,
    requests: Sequence[Request],
    *,
    output: str | int = forward.AUTO,
    mode: Mode = "eval",
    gradients: bool = True,
    tally: Tally | None = None,
    stop: bool = False,
    first: int | None = None,
    differentiable: bool = False,
) -> Trace:
    """The pass that all requests share.

    Args:
        gradients: False: none are computed, whoever needs them.
        stop: leave the forward behind the last tap; then scores are NaN.
        first, differentiable: see :func:`xaikit.evidence.observe.observe`.

    Raises:
        TapError, Disconnected, ConfigError: the pass cannot serve a layer or a target.
    """
    targets = distinct(request.target for request in requests)
    return observe(
        model,
        batch.inputs,
        tuple(dict.fromkeys(tap for request in requests for tap in request.taps)),
        lambda selected: [pin(target, selected, copied(batch.labels)) for target in targets],
        gradients=gradients and any(request.method.needs.gradients for request in requests),
        readout=readout_of(targets, output, mode),
        tally=tally,
        stop=stop,
        input_layout=batch.input_layout,
        first=first,
        differentiable=differentiable,
    )


class _Session:
    """The explanations of many requests, of which one that fails stops no other."""

    def __init__(self, trace: Trace, failed: Failed | None) -> None:
        self._trace = trace
        self._evidence = Evidence(trace)
        self._failed = failed
        self._explanations: dict[str, Explanation] = {}

    def pinned(self, requests: Sequence[Request], places: Sequence[int]) -> list[PinnedRequest]:
        """The requests with the places of their targets; without those whose method cannot say what it depends on."""
        pinned: list[PinnedRequest] = []
        for request, place in zip(requests, places, strict=True):
            with self._handing_over(request):
                pinned.append(PinnedRequest(request, place, variants_of(request.method)))
        return pinned

    def explain(self, requests: Sequence[PinnedRequest], explainer: Explainer) -> dict[str, Explanation]:
        """By label, in any order."""
        for family in group_requests(requests, self._trace.pinned):
            outputs = OutputCache() if len(family) > 1 else None
            for group in family:
                self._explain_group(group, explainer, outputs)
        return self._explanations

    def _explain_group(self, group: RequestGroup, explainer: Explainer, outputs: OutputCache | None) -> None:
        """All by one call of the method a tap; each by its own where that fails, so that only the guilty one does."""
        if len(group.members) == 1:
            with self._handing_over(group.common):
                self._assemble(group, explainer.raw_maps(group, outputs))
        elif failure := self._explain_together(group, explainer, outputs):
            for member in group.members:
                self._explain_group(RequestGroup((member,)), explainer, outputs)
            self._remark(group, f"explained alone: together with other labels it raised {failure}")

    def _explain_together(self, group: RequestGroup, explainer: Explainer, outputs: OutputCache | None) -> str:
        """The name of what was raised, if anything was."""
        try:
            raw_maps = explainer.raw_maps(group, outputs)
        except ChangedEvidence:
            raise
        except Exception as error:  # by name alone: the error itself holds all that its frames do
            return type(error).__name__
        self._assemble(group, raw_maps)
        return ""

    def _assemble(self, group: RequestGroup, raw_maps: Mapping[Tap, RawMaps]) -> None:
        for member in group.members:
            with self._handing_over(member.request):
                self._explanations[member.request.label] = assemble(
                    self._trace, self._evidence, group, member, raw_maps
                )

    def _remark(self, group: RequestGroup, reason: str) -> None:
        """A remark on all explanations, where none failed: a failure speaks for itself."""
        labels = [member.request.label for member in group.members]
        explanations = [self._explanations[label] for label in labels if label in self._explanations]
        if len(explanations) < len(labels):
            return
        for label, explanation in zip(labels, explanations, strict=True):
            self._explanations[label] = remarked(explanation, [reason])

    @contextmanager
    def _handing_over(self, request: Request) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self._failed is None or isinstance(error, ChangedEvidence):
                raise
            self._failed(request, error)


def _reasons(model: nn.Module, trace: Trace, mode: Mode) -> Iterator[str]:
    """What there is to say about all maps of a batch."""
    if trace.dependent:
        yield dependence.REASON
    trained = trained_inside(model) if mode == "eval" else []
    if trained:
        yield (
            f"evaluation mode, also for {', '.join(trained[:3])}{', ...' if trained[3:] else ''}, which trained inside a model "
            "that evaluates: mode as_is leaves them so"
        )


def remarked(explanation: Explanation, reasons: Iterable[str]) -> Explanation:
    """With remarks on all samples at all layers."""
    remarks = tuple(
        RemarkCounts(layer, reason, torch.ones(len(raw), dtype=torch.long), counted=False)
        for reason in reasons
        for layer, raw in explanation.maps.items()
    )
    return replace(explanation, noted=explanation.noted + remarks) if remarks else explanation


def replay_ways(
    model: nn.Module, trace: Trace, request: Request, output: str | int, mode: Mode = "eval"
) -> dict[str, str]:
    """By layer, the way in which a method's replays will be made; see :mod:`xaikit.reruns.replay`. Empty if it makes none.

    Args:
        trace: of a pass for this request's target alone.
    """
    if not request.method.needs.replays:
        return {}
    readout, narrowed = readout_of([request.target], output, mode), trace.narrowed([0], request.taps)
    contexts = [PassContext(model, narrowed, tap, readout, precision=request.precision) for tap in request.taps]
    return {str(context.tap): Replay(context).way() for context in contexts}


def _may_stop(requests: Sequence[Request]) -> bool:
    """Whether nothing behind the taps is needed: no score, no further pass, and no axis of several targets."""
    needs = union(request.method.needs for request in requests)
    more = needs.scores or needs.gradients or needs.reruns or needs.replays
    return not more and all(plural_of(request.target) is False for request in requests)


def distinct(targets: Iterable[Target]) -> list[Target]:
    """Equal targets once. By comparison: a third party's options need not be hashable."""
    unequal: list[Target] = []
    for target in targets:
        if not any(equal(target, other) for other in unequal):
            unequal.append(target)
    return unequal
