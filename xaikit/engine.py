"""Explain a batch by every method that was asked for, from one pass."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaikit import capture, outputs
from xaikit.diagnosis import diagnose
from xaikit.errors import PluginContract
from xaikit.explanation import Explanation, Noted
from xaikit.finish import Finish, finish_maps
from xaikit.layers import Tap, tensors_in
from xaikit.layouts import stride
from xaikit.observe import Tally, observe
from xaikit.targets import Target
from xaikit.view import Method, SampleGenerator, Trace, View


@dataclass(frozen=True)
class Batch:
    """What the model is run on.

    inputs  a tensor, a tuple or a dict, N samples along the first dimension
    ids     one a sample: the identity its random numbers are drawn for
    labels  class indices (N,), where known
    """

    inputs: Any
    ids: tuple[str, ...]
    labels: Tensor | None = None


@dataclass(frozen=True)
class Request:
    """One label with everything resolved: what to explain, where, by which method, and how to finish it."""

    label: str
    use: str
    method: Method
    taps: tuple[Tap, ...]
    target: Target
    finish: Finish
    seed: int = 0


def explain(
    model: nn.Module,
    batch: Batch,
    requests: Sequence[Request],
    *,
    output: str | int = outputs.AUTO,
    tally: Tally | None = None,
) -> tuple[Trace, dict[str, Explanation]]:
    """Explain one batch by every request.

    Args:
        output: the part of the model's output that targets score, see :func:`xaikit.outputs.select`.
        tally: counts forwards and gradient calls, if given.

    Returns:
        The trace of the shared pass, and the explanation of every label.

    Raises:
        TapError, Disconnected, ConfigError: the pass cannot serve a layer or a target.
        UndeclaredNeed, PluginContract: a method broke its word; label and layer are added as a note.
    """
    tally = Tally() if tally is None else tally
    targets = distinct(request.target for request in requests)
    trace = observe(
        model,
        batch.inputs,
        tuple(dict.fromkeys(tap for request in requests for tap in request.taps)),
        lambda selected: [target.pin(selected, capture.copied(batch.labels)) for target in targets],
        gradients=any(request.method.needs.gradients for request in requests),
        output=output,
        tally=tally,
    )

    def answer(request: Request) -> Explanation:
        place = targets.index(request.target)
        return _Question(model, batch, trace, place, request, output, tally).answer()

    return trace, {request.label: answer(request) for request in requests}


def distinct(targets: Iterable[Target]) -> list[Target]:
    """Equal targets once. By comparison: a third party's options need not be hashable."""
    found: list[Target] = []
    for target in targets:
        if target not in found:
            found.append(target)
    return found


@dataclass(frozen=True)
class _Question:
    """One request, put to one trace; ``place`` is that of its target among the pinned ones."""

    model: nn.Module
    batch: Batch
    trace: Trace
    place: int
    request: Request
    output: str | int
    tally: Tally

    def answer(self) -> Explanation:
        request, trace = self.request, self.trace
        pinned, columns = trace.pinned[self.place], trace.columns[self.place]
        reruns = Reruns(self._rerun, shared=len(request.taps) > 1)
        noted: list[Noted] = []
        raws: dict[str, Tensor] = {}
        for tap in request.taps:
            view = self._view(trace, tap, columns, reruns.of_one_tap())
            raws[str(tap)] = raw = self._raw(view)
            noted += [
                *view.noted,
                *diagnose(trace, tap, columns, raw, request.method.needs, request.finish.rectify),
            ]
        strides = {str(tap): stride(tuple(trace.activations[tap].shape[2:]), trace.space) for tap in request.taps}
        finished, fused = finish_maps(request.finish, raws, strides, trace.space)
        count = columns.stop - columns.start

        def shaped(saliency: Tensor) -> Tensor:
            full = saliency.expand(saliency.shape[0], count, *saliency.shape[2:])
            return full if pinned.plural else full.squeeze(1)

        scores = trace.scores[:, columns]
        return Explanation(
            label=request.label,
            maps={layer: shaped(raw) for layer, raw in raws.items()},
            finished={layer: shaped(saliency) for layer, saliency in finished.items()},
            map=None if fused is None else shaped(fused),
            scores=scores if pinned.plural else scores.squeeze(1),
            target=pinned,
            strides=strides,
            noted=tuple(noted),
        )

    def _raw(self, view: View) -> Tensor:
        try:
            with torch.no_grad():
                raw = self.request.method.explain(view)
            _check(raw, view)
        except Exception as error:
            error.add_note(f"while explaining {self.request.label!r} at layer {view.layer}")
            raise
        return raw

    def _view(self, trace: Trace, tap: Tap, columns: slice, rerun: Callable[[Any], Trace]) -> View:
        def retrace(inputs: Any) -> View:
            again = rerun(inputs)
            return self._view(again, tap, again.columns[0], rerun)

        return View(trace, tap, columns, self.request.method.needs, self.model, self._generator(), retrace)

    def _rerun(self, inputs: Any) -> Trace:
        pinned = self.trace.pinned[self.place]
        self.tally.reruns += 1
        needs = self.request.method.needs
        return observe(
            self.model,
            inputs,
            self.request.taps,
            lambda _: [pinned],
            gradients=bool(needs.gradients),
            output=self.output,
            tally=self.tally,
        )

    def _generator(self) -> SampleGenerator:
        return SampleGenerator([_seed(self.request, sample) for sample in self.batch.ids], self.trace.scores)


class Reruns:
    """The further passes of one label. Its taps draw the same numbers, so they ask for the same inputs: run once."""

    def __init__(self, run: Callable[[Any], Trace], shared: bool) -> None:
        self._run = run
        self._shared = shared
        self._passes: list[tuple[Any, Trace]] = []

    def of_one_tap(self) -> Callable[[Any], Trace]:
        """A function from inputs to their trace, to be called by one tap in its own order."""
        asked = iter(range(sys.maxsize))

        def rerun(inputs: Any) -> Trace:
            turn = next(asked)
            if turn < len(self._passes) and _same(self._passes[turn][0], inputs):
                return self._passes[turn][1]
            trace = self._run(inputs)
            if self._shared and turn == len(self._passes):
                self._passes.append((inputs, trace))
            return trace

        return rerun


def _same(one: Any, other: Any) -> bool:
    """Equal inputs, to the bit."""
    pairs = zip(tensors_in(one), tensors_in(other), strict=True)
    return all(path == place and torch.equal(mine, theirs) for (path, mine), (place, theirs) in pairs)


def _seed(request: Request, sample: str) -> int:
    """From seed, method, options and sample alone: neither label, batch, layer nor device changes what is drawn."""
    fields = dataclasses.fields(request.method)  # type: ignore[arg-type]
    options = json.dumps(
        {field.name: getattr(request.method, field.name) for field in fields}, sort_keys=True, default=repr
    )
    text = f"{request.seed}|{request.use}|{options}|{sample}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _check(raw: object, view: View) -> None:
    samples, targets = view.scores.shape
    space = tuple(view.activations.shape[3:])
    allowed = [(samples, targets, *space), (samples, 1, *space)]
    if not isinstance(raw, Tensor):
        raise PluginContract(f"explain: expected a tensor, got {type(raw).__name__}")
    if tuple(raw.shape) not in allowed:
        raise PluginContract(f"explain: expected a map of shape {allowed[0]}, got {tuple(raw.shape)}")
