"""One pass of the model: a forward with all taps, and the gradients of all scores at them.

Several scores are a loop over the one retained graph: exact, and on a CPU as fast as batched products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaikit import capture, outputs
from xaikit.errors import Disconnected, TapError
from xaikit.layers import Tap
from xaikit.layouts import Layout, infer
from xaikit.targets import Pinned
from xaikit.view import Trace

Pin = Callable[[Any], Sequence[Pinned]]


@dataclass
class Tally:
    """What has been computed so far: passes of batches, gradient calls, and the passes among them that were re-runs."""

    forwards: int = 0
    gradient_calls: int = 0
    reruns: int = 0


def observe(
    model: nn.Module,
    inputs: Any,
    taps: Sequence[Tap],
    pin: Pin,
    *,
    gradients: bool,
    output: str | int = outputs.AUTO,
    tally: Tally | None = None,
) -> Trace:
    """One pass: a forward, and where gradients are needed one gradient call for each target.

    Args:
        pin: gives the pinned targets, from the selected output of this pass.

    Raises:
        TapError: a tap never ran, ran twice, or has no map.
        Disconnected: a score does not depend on a tap.
    """
    tally = Tally() if tally is None else tally
    with capture.undisturbed(model):

        def attempt(grad: bool) -> _Pass:
            return _Pass.run(model, inputs, taps, pin, gradients, output, grad, tally)

        found = None if capture.has_inference_weights(model) else attempt(grad=False)
        if found is None or found.broken:
            found = capture.on_detached_weights(model, lambda: attempt(grad=True))
        return found.trace(inputs, taps, getattr(model, "num_prefix_tokens", None))


@dataclass(frozen=True)
class _Pass:
    """What a pass left: the points of its taps, and their gradients for every score (None where there is none)."""

    output: Any
    pinned: tuple[Pinned, ...]
    scores: tuple[Tensor, ...]
    points: Mapping[Tap, Tensor]
    gradients: tuple[tuple[Tensor | None, ...], ...]
    severed: bool

    @staticmethod
    def run(
        model: nn.Module,
        inputs: Any,
        taps: Sequence[Tap],
        pin: Pin,
        gradients: bool,
        choice: str | int,
        grad: bool,
        tally: Tally,
    ) -> _Pass:
        recording = capture.Recording(taps, gradients)
        tally.forwards += 1
        with torch.set_grad_enabled(grad), capture.hooked(model, recording):
            output = outputs.select(capture.call(model, capture.copied(inputs)), choice)
        points = recording.points()
        with torch.enable_grad():
            pinned = tuple(pin(output))
            scores = tuple(target.scores(output) for target in pinned)
            rows = _gradients(torch.cat(scores, 1), list(points.values()), tally) if gradients and points else ()
        return _Pass(output, pinned, scores, points, rows, recording.severed)

    @property
    def broken(self) -> bool:
        """Grad was switched off on the way, or a score reached no tap: worth another pass on detached weights."""
        return self.severed or any(value is None for row in self.gradients for value in row)

    def trace(self, inputs: Any, taps: Sequence[Tap], hint: int | None) -> Trace:
        space = tuple(capture.first_tensor(inputs).shape[2:])
        layouts = {tap: tap.layout or _layout(tap, self.points[tap], inputs, hint) for tap in taps}
        stops = _cumulated([scores.shape[1] for scores in self.scores])
        return Trace(
            inputs=inputs,
            space=space,
            output=self.output.detach() if isinstance(self.output, Tensor) else self.output,
            pinned=self.pinned,
            columns=tuple(slice(start, stop) for start, stop in stops),
            scores=torch.cat(self.scores, 1).detach(),
            activations={tap: layouts[tap].to_map(self.points[tap].detach()) for tap in taps},
            gradients={tap: self._gradient(place, tap, layouts[tap]) for place, tap in enumerate(taps)}
            if self.gradients
            else {},
        )

    def _gradient(self, place: int, tap: Tap, layout: Layout) -> Tensor:
        columns = [row[place] for row in self.gradients]
        if any(column is None for column in columns):
            raise Disconnected(
                f"the score does not depend on layer {tap}: it lies beside the way to the output, behind it, or in a "
                "block that is checkpointed reentrantly (use_reentrant=False is served)"
            )
        maps = [layout.to_map(column) for column in columns if column is not None]
        return maps[0].unsqueeze(1) if len(maps) == 1 else torch.stack(maps, 1)


def _gradients(scores: Tensor, points: list[Tensor], tally: Tally) -> tuple[tuple[Tensor | None, ...], ...]:
    """For every column of the scores, its gradient at every point; samples are independent, so their sum will do."""
    if not scores.requires_grad:
        return tuple((None,) * len(points) for _ in range(scores.shape[1]))
    rows = []
    for column in range(scores.shape[1]):
        tally.gradient_calls += 1
        keep = column + 1 < scores.shape[1]
        rows.append(torch.autograd.grad(scores[:, column].sum(), points, retain_graph=keep, allow_unused=True))
    return tuple(rows)


def _cumulated(sizes: Sequence[int]) -> list[tuple[int, int]]:
    stops = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return list(zip([0, *stops], stops, strict=False))


def _layout(tap: Tap, point: Tensor, inputs: Any, hint: int | None) -> Layout:
    first = capture.first_tensor(inputs)
    layout = infer(tuple(point.shape), tuple(first.shape[2:]), hint) if point.shape[:1] == first.shape[:1] else None
    if layout is None:
        raise TapError(
            f"layer {tap} returned {tuple(point.shape)} for inputs {tuple(first.shape)}: expected a map (N, C, ...), "
            f"a channels-last map, or tokens with a grid; name another layer, or an index such as '{tap.name}[0]'"
        )
    return layout
