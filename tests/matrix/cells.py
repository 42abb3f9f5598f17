"""One row of the matrix: all methods on one architecture, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from matrix.architectures import Architecture
from xaikit import ConfigError, Disconnected, LayerNotFound, TapError, engine
from xaikit.auto import auto
from xaikit.config.arguments import read_finish, read_target
from xaikit.engine import Batch, Request
from xaikit.evidence.forward import Readout
from xaikit.evidence.observe import observe
from xaikit.evidence.pinned import pin
from xaikit.evidence.taps import Tap, tensors_at, whole
from xaikit.explanation import Explanation
from xaikit.finish import build_finish
from xaikit.layouts import infer
from xaikit.passes.modules import module_at
from xaikit.plain import remarks
from xaikit.registry import Registry
from xaikit.reruns.replay import FULL
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import FinishConfig
from xaikit.targets import Target
from xaikit.trials.trial import effective_finish

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "scorecam": {"top_channels": 16},
    "sscam": {"top_channels": 4, "n": 2},
    "iscam": {"top_channels": 4, "n": 2},
    "groupcam": {"groups": 16},
    "sess": {"scales": 2},
    "integratedgradients": {"steps": 2},
    "expectedgradients": {"samples": 2},
    "smoothgrad": {"n": 2},
    "vargrad": {"n": 2},
    "occlusion": {"window": 64, "stride": 64},
    "rise": {"masks": 8},
    "drise": {"masks": 8},
    "kernelshap": {"samples": 8, "cells": 2},
    "lime": {"samples": 8, "cells": 2},
}
"""What makes dear methods cheap; all others have their defaults."""
EVEN = {"uniform"}
"""Methods whose map is the same everywhere, as they say."""
DIAGNOSES = {
    *(remarks.ZERO_ACTIVATIONS, remarks.ZERO_GRADIENTS, remarks.NEGATIVE_GRADIENTS),
    *(remarks.ALL_NEGATIVE, remarks.ZERO_MAP, remarks.CONSTANT),
}
"""Why a map that says nothing may say nothing; what a method adds to it is kept too."""
REFUSALS = (ConfigError, LayerNotFound, TapError, Disconnected)
KINDS = ("map", "zero", "refused", "wrong")
REGISTRY = Registry()


def built_in() -> tuple[str, ...]:
    """The methods of xaikit's own distribution."""
    return tuple(entry.name for entry in REGISTRY.catalogue("method") if entry.distribution == "xaikit")


def kind_of(cell: str) -> str:
    """What became of it, without why.

    >>> kind_of("refused: layer x: ..."), kind_of("map")
    ('refused', 'map')
    """
    return cell.partition(":")[0]


def row(architecture: Architecture, methods: Sequence[str]) -> dict[str, Any]:
    """What the JSON holds of one architecture."""
    began = time.process_time()
    model, inputs = architecture.network(), architecture.inputs()
    target = instantiate("target", read_target(architecture.target, REGISTRY), REGISTRY)
    taps, shapes, cells = _layers(model, inputs, target, architecture.output)
    refused = {method: cells for method in methods if whole(_needs(method)) is None} if cells else {}
    batch = Batch(inputs, tuple(map(str, range(len(inputs)))))
    requests = [request(method, taps, target) for method in methods if method not in refused]
    cells = refused | answered(model, batch, requests, architecture.output)
    return {
        "family": architecture.family,
        "source": architecture.source,
        "kind": architecture.kind,
        "input": list(architecture.shape),
        "layers": shapes,
        "seconds": round(time.process_time() - began, 1),
        "cells": {method: cells[method] for method in methods},
    }


def _layers(
    model: nn.Module, inputs: Tensor, target: Target, output: str | int
) -> tuple[tuple[Tap, ...], dict[str, str], str]:
    """What ``auto`` means, how it lies in memory and its shape as a map; or why there is none."""
    try:
        taps = auto.of(model, inputs, target, None, output)
    except REFUSALS as error:
        return (), {}, _refused(error)
    trace = observe(
        model, inputs, taps, lambda selected: [pin(target, selected, None)], gradients=False, readout=Readout(output)
    )
    shapes = {str(tap): tuple(trace.activations[tap].shape[1:]) for tap in taps}
    kinds = _kinds(model, inputs, taps)
    return taps, {name: f"{kinds[name]} {shape}" for name, shape in shapes.items()}, ""


def _kinds(model: nn.Module, inputs: Tensor, taps: Sequence[Tap]) -> dict[str, str]:
    """By layer, whether it returned channels first, channels last or tokens behind a prefix."""
    layouts: dict[str, str] = {}
    handles = []
    for tap in taps:

        def keep(module: nn.Module, args: Any, output: Any, tap: Tap = tap) -> None:
            (_, tensor), *_ = tensors_at(output, tap)
            layout = infer(tuple(tensor.shape), tuple(inputs.shape[2:]), getattr(model, "num_prefix_tokens", None))
            layouts[str(tap)] = "none" if layout is None else layout.kind + f" +{layout.prefix}" * bool(layout.prefix)

        handles.append(module_at(model, tap.name).register_forward_hook(keep))
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    return layouts


def _needs(method: str) -> Any:
    return REGISTRY.find("method", method).cls.needs


def request(method: str, taps: Sequence[Tap], target: Target) -> Request:
    """A method with its cheap options and the finish that its paper asks for."""
    instance = instantiate("method", Use(method, dict(OPTIONS.get(method, {}))), REGISTRY)
    general = FinishConfig(**read_finish({}, REGISTRY))
    finish = build_finish(effective_finish(getattr(instance, "paper", {}), general, {}, REGISTRY), REGISTRY)
    single = whole(instance.needs)
    return Request(method, method, instance, tuple(taps) if single is None else (single,), target, finish)


def answered(model: nn.Module, batch: Batch, requests: Sequence[Request], output: str | int) -> dict[str, str]:
    """A cell a request, from one pass; where that pass cannot be had, from one for each kind of evidence, then each method."""
    cells: dict[str, str] = {}

    def failed(request: Request, error: Exception) -> None:
        cells[request.label] = _failed(error)

    if not requests:
        return {}
    try:
        explanations = engine.explain(model, batch, requests, output=output, failed=failed)[1]
    except Exception as error:
        if len(requests) == 1:
            return {requests[0].label: _failed(error)}
        for part in _parts(requests):
            cells |= answered(model, batch, part, output)
        return cells
    space = tuple(batch.inputs.shape[2:])
    return cells | {label: judged(label, explanation, space) for label, explanation in explanations.items()}


def _parts(requests: Sequence[Request]) -> list[list[Request]]:
    by_evidence: dict[Any, list[Request]] = {}
    for one in requests:
        by_evidence.setdefault(one.taps, []).append(one)
    return list(by_evidence.values()) if len(by_evidence) > 1 else [[one] for one in requests]


def judged(method: str, explanation: Explanation, space: tuple[int, ...]) -> str:
    """A map that says where; or one that says nothing, and why; or one that is wrong."""
    saliency, samples = explanation.map, len(explanation.scores)
    parts = tuple(explanation.scores.shape[1:])
    if saliency is None or tuple(saliency.shape) != (samples, *parts, *space):
        return f"wrong: shape {None if saliency is None else tuple(saliency.shape)}"
    if not all(bool(one.isfinite().all()) for one in (saliency, *explanation.maps.values())):
        return "wrong: not finite"
    if method in EVEN:
        return "map" if bool(saliency.any()) else "wrong: nothing"
    if _says_where(saliency, len(parts)):
        return "map"
    reasons = [reason for reason in dict.fromkeys(remark.reason for remark in explanation.warnings) if reason != FULL]
    if not DIAGNOSES & set(reasons):
        return "wrong: the same everywhere, and nobody says why"
    raw = all(_says_where(one, len(parts)) for one in explanation.maps.values())
    return f"zero: {'; '.join(reasons)}" + ("" if raw else " (the raw map too)")


def _says_where(saliency: Tensor, plural: int) -> bool:
    """Whether the map of every sample differs from place to place; of several maps of a sample, one of them."""
    flat = saliency.flatten(1 + plural)
    varies = flat.amax(-1) > flat.amin(-1)
    return bool(varies.flatten(1).any(1).all() if plural else varies.all())


def _failed(error: Exception) -> str:
    return _refused(error) if isinstance(error, REFUSALS) else f"wrong: {type(error).__name__}: {_line(error)}"


def _refused(error: Exception) -> str:
    return f"refused: {_line(error)}"


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:400]
