"""What a photograph will cost, by what the first one takes: seconds of computing, and seconds and bytes of its pictures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from xaikit.bench.bench import Bench
from xaikit.bench.loader import Picture
from xaikit.engine import Batch, Request
from xaikit.engine.session import trace_requests
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call
from xaikit.evidence.hooks import hooked
from xaikit.method import further_of
from xaikit.passes.chunks import rows_of_inputs
from xaikit.passes.modules import module_at
from xaikit.passes.nests import copied
from xaikit.pictures.overlay import overlay
from xaikit.pictures.sheet import HEIGHT
from xaikit.schema.sections import ReportConfig
from xaikit.store.pictures import encoded

REPEATS, LONGEST = 3, 1.0
"""How often something is timed, and for how many seconds at most."""
TOGETHER = 4
"""Photographs in the batch that is timed, at most."""


@dataclass(frozen=True)
class PictureCosts:
    """Seconds of drawing one overlay; bytes of one, of a photograph as the model saw it, and of a cell of a contact sheet."""

    seconds: float = 0.0
    overlay: int = 0
    frame: int = 0
    cell: int = 0


def first_picture(bench: Bench) -> tuple[Picture, float]:
    """The first photograph that can be read, and the seconds that reading took; the bench was probed, so there is one."""
    for photograph in bench.opened.photographs:
        began = time.perf_counter()
        picture = bench.opened.loader.read(photograph)
        if isinstance(picture, Picture) and not picture.unlabelled:
            return picture, time.perf_counter() - began
    raise AssertionError("a probed bench has a photograph")


def picture_costs(picture: Picture, style: ReportConfig) -> PictureCosts:
    """As drawing one map over the first photograph costs."""
    if picture.rgb.width < 1:
        return PictureCosts()
    ramp = np.linspace(0, 1, picture.rgb.height * picture.rgb.width, dtype=np.float32)
    saliency = ramp.reshape(picture.rgb.height, picture.rgb.width)
    shown: list[bytes] = []

    def draw() -> None:
        drawn = overlay(
            picture.rgb,
            saliency,
            style.alpha,
            colormap=style.colormap,
            colorbar=style.colorbar,
            background=picture.whole if style.on == "original" else None,
        )
        cell = drawn.resize((max(1, drawn.width * HEIGHT // drawn.height), HEIGHT))
        shown[:] = [encoded(drawn, f"overlay.{style.format}"), encoded(cell, "cell.jpg")]

    seconds = fastest(draw)
    frames = [each for each in (picture.rgb, picture.whole) if isinstance(each, Image.Image)]
    frame = sum(len(encoded(each.convert("RGB"), "frame.png")) for each in frames)
    return PictureCosts(seconds, len(shown[0]), frame, len(shown[1]))


def seconds_of(bench: Bench, picture: Picture) -> float:
    """Of computing one photograph: the pass that all share as it takes now that everything is warm, and further passes by a
    forward, or what of it lies behind the layer. No method is called: what a photograph does to it is seen in its shard."""
    opened, requests = bench.opened, bench.requests()
    count = min(TOGETHER, opened.config.data.batch_size)
    batch = opened.batch([picture] * count)
    config: dict[str, Any] = {"output": opened.config.model.output, "mode": opened.config.model.mode}

    def traced() -> None:
        trace_requests(opened.model.module, batch, requests, **config)
        _wait(opened.device)

    seconds = fastest(traced)
    if further_passes(bench):
        passes = _Passes(bench, batch, config)
        seconds += augmented_passes(requests) * seconds + sum(map(passes.seconds, requests)) * count
    return seconds / count


def forward_seconds(bench: Bench, picture: Picture) -> float:
    """Of one input through the model, among others and without gradients."""
    opened = bench.opened
    count = min(rows_of_inputs(bench.probe.row), TOGETHER)
    inputs = opened.batch([picture] * count).inputs

    def forward() -> None:
        with undisturbed(opened.model.module, opened.config.model.mode), torch.no_grad():
            call(opened.model.module, copied(inputs), ())
        _wait(opened.device)

    return fastest(forward) / count


def further_passes(bench: Bench) -> int:
    """Passes, and scores of variants, of every photograph beside the shared pass."""
    requests = bench.requests()
    return augmented_passes(requests) + sum(variants(bench, request) for request in requests)


def augmented_passes(requests: Sequence[Request]) -> int:
    """Passes on augmented inputs, which are shared by all that ask for the same ones."""
    augmented = {(one.aggregation.augment, one.seed if one.aggregation.augment.noise else 0) for one in requests}
    return sum(augment.count - augment.has_clean for augment, _ in augmented)


def variants(bench: Bench, request: Request) -> int:
    """Passes or scores of variants at the taps of a request."""
    return sum(variants_at(bench, request).values())


def variants_at(bench: Bench, request: Request) -> dict[str, int]:
    """The passes or scores of variants by layer, all of them for every augmented input."""
    # noisy passes show all taps at once; what is scored belongs to one tap
    shared = request.method.needs.gradients and not request.method.needs.replays
    layers = [str(tap) for tap in request.taps[: 1 if shared else None]]
    shapes = [bench.probe.shapes[layer] for layer in layers]
    each = [further_of(request.method, channels, math.prod(space)) for channels, *space in shapes]
    return {layer: request.aggregation.augment.count * count for layer, count in zip(layers, each, strict=True)}


class _Passes:
    """Seconds of the further passes of one photograph, by a forward of a batch of copies of it."""

    def __init__(self, bench: Bench, batch: Batch, config: dict[str, Any]) -> None:
        self._bench = bench
        self._behind: dict[str, float] = {}
        module = bench.opened.model.module
        taps = {str(tap): tap for request in bench.requests() for tap in request.taps}
        modules = [
            (name, module_at(module, tap.name)) for name, tap in taps.items() if tap.at in ("output", "consumed")
        ]
        left: dict[str, float] = {}

        def leave(name: str, *_: Any) -> None:
            left[name] = _now(bench.opened.device)

        def forward() -> None:
            with hooked(modules, leave):
                trace_requests(module, batch, bench.requests(), **config, gradients=False)
            ended = _now(bench.opened.device)
            for name, at in left.items():
                self._behind[name] = min(self._behind.get(name, np.inf), ended - at)

        self._forward = fastest(forward) / len(batch.ids)
        self._behind = {name: seconds / len(batch.ids) for name, seconds in self._behind.items()}

    def seconds(self, request: Request) -> float:
        """Of the passes that the method of a request asks for."""
        return sum(count * self._each(request, layer) for layer, count in variants_at(self._bench, request).items())

    def _each(self, request: Request, layer: str) -> float:
        if request.method.needs.replays and self._bench.probe.ways.get(request.label, {}).get(layer) in (
            "joint",
            "each",
        ):
            return self._behind.get(layer, self._forward)
        # a pass with gradients takes about three times as long as one without
        return self._forward * (3 if request.method.needs.gradients and not request.method.needs.replays else 1)


def fastest(work: Callable[[], object]) -> float:
    """The least seconds that it took: whatever else the machine does makes it longer, and the first time is always."""
    took: list[float] = []
    while len(took) < REPEATS and sum(took) < LONGEST:
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def _now(device: torch.device) -> float:
    _wait(device)
    return time.perf_counter()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
