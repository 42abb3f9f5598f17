"""Explain a batch by every method that was asked for, from one pass."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaikit import outputs
from xaikit.calling import copied
from xaikit.conditions import unwrapped
from xaikit.config import Precision
from xaikit.diagnosis import diagnose
from xaikit.errors import PluginContract
from xaikit.explanation import Explanation, Noted
from xaikit.finish import Finish, finish_maps
from xaikit.layers import Tap
from xaikit.layouts import stride
from xaikit.needs import union
from xaikit.observe import Tally, observe
from xaikit.passes import Passes, Reruns, Setting
from xaikit.targets import Pinned, Target
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
    precision: Precision = "float32"


def explain(
    model: nn.Module,
    batch: Batch,
    requests: Sequence[Request],
    *,
    output: str | int = outputs.AUTO,
    tally: Tally | None = None,
    may_stop: bool = False,
) -> tuple[Trace, dict[str, Explanation]]:
    """Explain one batch by every request.

    Args:
        output: the part of the model's output that targets score, see :func:`xaikit.outputs.select`.
        tally: counts forwards and gradient calls, if given.
        may_stop: leave the forward behind the last layer if no method needs a score; then scores are NaN.

    Returns:
        The trace of the shared pass, and the explanation of every label.

    Raises:
        TapError, Disconnected, ConfigError: the pass cannot serve a layer or a target.
        UndeclaredNeed, PluginContract: a method broke its word; label and layer are added as a note.
    """
    tally = Tally() if tally is None else tally
    model = unwrapped(model)
    targets = distinct(request.target for request in requests)
    stop = may_stop and _may_stop(requests)
    trace = observe(
        model,
        batch.inputs,
        tuple(dict.fromkeys(tap for request in requests for tap in request.taps)),
        lambda selected: [target.pin(selected, copied(batch.labels)) for target in targets],
        gradients=any(request.method.needs.gradients for request in requests),
        output=output,
        tally=tally,
        stop=stop,
    )

    def answer(request: Request) -> Explanation:
        # a trace that stopped early knows one target, which is none
        place = targets.index(request.target) if trace.output is not None else 0
        return _Question(model, batch, trace, place, request, output, tally).answer()

    return trace, {request.label: answer(request) for request in requests}


def replay_ways(model: nn.Module, batch: Batch, trace: Trace, request: Request, output: str | int) -> dict[str, str]:
    """By layer, the way in which a method's replays will be made; see :mod:`xaikit.replay`. Empty if it makes none.

    Args:
        trace: of a pass for this request's target alone.
    """
    if not request.method.needs.replays:
        return {}
    setting = _Question(model, batch, trace, 0, request, output, Tally())._setting(trace.pinned[0], trace.columns[0])
    return {str(tap): Passes(setting, tap, lambda _: trace).replay().way() for tap in request.taps}


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
        setting = self._setting(pinned, columns)
        reruns = Reruns(lambda inputs: setting.observe(inputs, request.taps), shared=len(request.taps) > 1)
        noted: list[Noted] = []
        raws: dict[str, Tensor] = {}
        for tap in request.taps:
            passes = Passes(setting, tap, reruns.of_one_tap())
            view = passes.view(trace, columns)
            raws[str(tap)] = raw = self._raw(view)
            noted += [
                *view.noted,
                *passes.noted,
                *diagnose(trace, tap, columns, raw, request.method.needs, request.finish.rectify),
            ]
        return _finished(request, trace, pinned, columns, raws, tuple(noted))

    def _setting(self, pinned: Pinned, columns: slice) -> Setting:
        request = self.request
        seeds = [_seed(request, sample) for sample in self.batch.ids]
        return Setting(
            model=self.model,
            trace=self.trace,
            taps=request.taps,
            pinned=pinned,
            columns=columns,
            needs=request.method.needs,
            output=self.output,
            precision=request.precision,
            tally=self.tally,
            generator=lambda: SampleGenerator(seeds, self.trace.scores),
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


def _finished(
    request: Request, trace: Trace, pinned: Pinned, columns: slice, raws: dict[str, Tensor], noted: tuple[Noted, ...]
) -> Explanation:
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
        noted=noted,
    )


def _seed(request: Request, sample: str) -> int:
    """From seed, method, options and sample alone: neither label, batch, layer nor device changes what is drawn."""
    fields = dataclasses.fields(request.method)  # type: ignore[arg-type]
    options = json.dumps(
        {field.name: getattr(request.method, field.name) for field in fields}, sort_keys=True, default=repr
    )
    text = f"{request.seed}|{request.use}|{options}|{sample}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _check(raw: object, view: View) -> None:
    samples, targets, *space = view.shape
    allowed = [(samples, targets, *space), (samples, 1, *space)]
    if not isinstance(raw, Tensor):
        raise PluginContract(f"explain: expected a tensor, got {type(raw).__name__}")
    if tuple(raw.shape) not in allowed:
        raise PluginContract(f"explain: expected a map of shape {allowed[0]}, got {tuple(raw.shape)}")
