"""Explain a batch by every method that was asked for, from one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from xaikit.engine.context import PassContext
from xaikit.engine.explainer import Answers
from xaikit.engine.requests import Batch, PinnedRequest, Request, RequestGroup, group_requests
from xaikit.engine.reruns.replay import Replay
from xaikit.engine.reruns.rescore import OutputCache
from xaikit.evidence import forward
from xaikit.evidence.conditions import unwrapped
from xaikit.evidence.forward import Readout
from xaikit.evidence.nests import copied
from xaikit.evidence.observe import Tally, observe
from xaikit.evidence.pinned import pin, readout_of
from xaikit.evidence.trace import Trace
from xaikit.explanation import Explanation, RemarkCounts
from xaikit.method import variants_of
from xaikit.needs import union
from xaikit.targets import Target

__all__ = ["Batch", "Failed", "Request", "distinct", "explain", "replay_ways"]


Failed = Callable[[Request, Exception], None]


def explain(
    model: nn.Module,
    batch: Batch,
    requests: Sequence[Request],
    *,
    output: str | int = forward.AUTO,
    tally: Tally | None = None,
    may_stop: bool = False,
    failed: Failed | None = None,
) -> tuple[Trace, dict[str, Explanation]]:
    """Explain one batch by every request.

    Args:
        output: the part of the model's output that targets score, see :func:`xaikit.evidence.forward.select`.
        tally: counts forwards and gradient calls, if given.
        may_stop: leave the forward behind the last layer if no method needs a score; then scores are NaN.
        failed: is given what one request raised, and the others go on; without it, it is raised.

    Returns:
        The trace of the shared pass, and the explanation of every label that did not fail.

    Raises:
        TapError, Disconnected, ConfigError: the pass cannot serve a layer or a target.
        UndeclaredNeed, PluginContract: a method broke its word; label and layer are added as a note.
    """
    targets = distinct(request.target for request in requests)
    readout, tally = readout_of(targets, output), Tally() if tally is None else tally
    return _explain(unwrapped(model), batch, requests, targets, readout, tally, may_stop, failed)


def _explain(
    model: nn.Module,
    batch: Batch,
    requests: Sequence[Request],
    targets: Sequence[Target],
    readout: Readout,
    tally: Tally,
    may_stop: bool,
    failed: Failed | None,
) -> tuple[Trace, dict[str, Explanation]]:
    trace = observe(
        model,
        batch.inputs,
        tuple(dict.fromkeys(tap for request in requests for tap in request.taps)),
        lambda selected: [pin(target, selected, copied(batch.labels)) for target in targets],
        gradients=any(request.method.needs.gradients for request in requests),
        readout=readout,
        tally=tally,
        stop=may_stop and _may_stop(requests),
    )
    # a trace that stopped early knows one target, which is none
    places = [targets.index(request.target) if trace.output is not None else 0 for request in requests]
    known = {request.label: place for request, place in zip(requests, places, strict=True)}
    answers = Answers(model, batch, trace, readout, tally, tuple(requests), known)
    found = _Session(answers, failed).answer(requests, places)
    return trace, {request.label: found[request.label] for request in requests if request.label in found}


@dataclass(frozen=True)
class _Session:
    """The answers to all requests, of which one that fails stops no other; ``found`` by label."""

    answers: Answers
    failed: Failed | None
    found: dict[str, Explanation] = field(default_factory=dict)

    def answer(self, requests: Sequence[Request], places: Sequence[int]) -> dict[str, Explanation]:
        """Answer all requests, given the places of their targets; in any order."""
        asked: list[PinnedRequest] = []
        for request, place in zip(requests, places, strict=True):
            with self._handed_over(request):
                asked.append(PinnedRequest(request, place, variants_of(request.method)))
        for family in group_requests(asked, self.answers.trace.pinned):
            kept = OutputCache() if len(family) > 1 else None
            for question in family:
                self._answer(question, kept)
        return self.found

    def _answer(self, question: RequestGroup, kept: OutputCache | None) -> None:
        """Several requests by one answer; each by its own where that fails, so that only the guilty one does."""
        if len(question.asked) == 1:
            self._alone(question, kept)
            return
        raised = self._together(question, kept)
        if raised:
            for one in question.apart():
                self._alone(one, kept)
            self._say(question, f"explained alone: together with other labels it raised {raised}")

    def _alone(self, question: RequestGroup, kept: OutputCache | None) -> None:
        (one,) = question.asked
        with self._handed_over(one.request):
            raws = self.answers.raws(question, kept)
            self.found[one.request.label] = self.answers.explanation(question, one, raws)

    def _together(self, question: RequestGroup, kept: OutputCache | None) -> str:
        """The name of what was raised, if anything was."""
        try:
            raws = self.answers.raws(question, kept)
        except Exception as error:  # by name alone: the error itself holds all that its frames do
            return type(error).__name__
        for one in question.asked:
            with self._handed_over(one.request):
                self.found[one.request.label] = self.answers.explanation(question, one, raws)
        return ""

    def _say(self, question: RequestGroup, reason: str) -> None:
        """A remark on all answers, where none failed: a failure speaks for itself."""
        labels = [one.request.label for one in question.asked]
        if all(label in self.found for label in labels):
            for label in labels:
                said = tuple(
                    RemarkCounts(layer, reason, torch.ones(len(raw), dtype=torch.long), counted=False)
                    for layer, raw in self.found[label].maps.items()
                )
                self.found[label] = replace(self.found[label], noted=self.found[label].noted + said)

    @contextmanager
    def _handed_over(self, request: Request) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self.failed is None:
                raise
            self.failed(request, error)


def replay_ways(model: nn.Module, trace: Trace, request: Request, output: str | int) -> dict[str, str]:
    """By layer, the way in which a method's replays will be made; see :mod:`xaikit.engine.reruns.replay`. Empty if it makes none.

    Args:
        trace: of a pass for this request's target alone.
    """
    if not request.method.needs.replays:
        return {}
    readout, narrowed = readout_of([request.target], output), trace.narrowed([0], request.taps)
    contexts = [PassContext(model, narrowed, tap, readout, precision=request.precision) for tap in request.taps]
    return {str(context.tap): Replay(context).way() for context in contexts}


def _may_stop(requests: Sequence[Request]) -> bool:
    """Whether nothing behind the taps is needed: no score, no further pass, and no axis of several targets."""
    needs = union(request.method.needs for request in requests)
    more = needs.scores or needs.gradients or needs.reruns or needs.replays
    return not more and all(getattr(request.target, "plural", True) is False for request in requests)


def distinct(targets: Iterable[Target]) -> list[Target]:
    """Equal targets once. By comparison: a third party's options need not be hashable."""
    found: list[Target] = []
    for target in targets:
        if target not in found:
            found.append(target)
    return found
