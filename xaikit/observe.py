"""One pass of the model: a forward with all taps, and the gradients of all scores at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xaikit import capture, outputs
from xaikit.calling import call, copied, first_tensor, laid_out
from xaikit.capture import Point, Substitute
from xaikit.conditions import undisturbed
from xaikit.errors import Disconnected, TapError
from xaikit.gradients import gradients_at
from xaikit.layers import Tap
from xaikit.layouts import Layout, infer
from xaikit.targets import Pinned, Unpinned
from xaikit.view import Place, Trace

Pin = Callable[[Any], Sequence[Pinned]]
_REENTRANT = "use_reentrant"
_run_once: WeakKeyDictionary[nn.Module, set[Tap]] = WeakKeyDictionary()
"""Taps that a whole forward has shown to run once: a forward that stops at them would not notice a second call."""


@dataclass
class Tally:
    """What has been computed so far.

    forwards        passes of the model, of a batch or of a chunk of variants
    gradient_calls  calls of ``autograd.grad``
    reruns          the passes among the forwards that a method asked for
    halvings        how often memory ran out and a chunk was halved
    """

    forwards: int = 0
    gradient_calls: int = 0
    reruns: int = 0
    halvings: int = 0


def observe(
    model: nn.Module,
    inputs: Any,
    taps: Sequence[Tap],
    pin: Pin,
    *,
    gradients: bool,
    output: str | int = outputs.AUTO,
    tally: Tally | None = None,
    stop: bool = False,
    substitutes: dict[Tap, Substitute] | None = None,
) -> Trace:
    """One pass: a forward, and where gradients are needed one gradient call for all targets (on a CPU, one each).

    Args:
        pin: gives the pinned targets, from the selected output of this pass.
        stop: pin nothing, scores are NaN; and leave the forward behind the last tap, as soon as an earlier one that
            was not left has shown that the taps run once.
        substitutes: what a tap returns instead of what its module returned.

    Raises:
        TapError: a tap never ran, ran twice, or has no map.
        Disconnected: a score does not depend on a tap.
    """
    tally = Tally() if tally is None else tally
    asked = _Asked(model, inputs, tuple(taps), pin, gradients, output, tally, stop, substitutes)
    with undisturbed(model):
        found = asked.attempts()
        if found.ambiguous and not gradients:
            # which of several tensors a tap means does not depend on who else is explained: the score decides
            found = _Asked(model, inputs, asked.taps, pin, True, output, tally, False, substitutes).attempts()
    return found.trace(inputs, asked.taps, getattr(model, "num_prefix_tokens", None), gradients)


@dataclass(frozen=True)
class _Asked:
    """What one pass is to do."""

    model: nn.Module
    inputs: Any
    taps: tuple[Tap, ...]
    pin: Pin
    gradients: bool
    choice: str | int
    tally: Tally
    stop: bool
    substitutes: dict[Tap, Substitute] | None

    def attempts(self) -> _Pass:
        """The pass; once more on detached weights where grad was off on the way or a score reached no tap."""
        found: _Pass = capture.on_usable_weights(self.model, lambda: self.attempt(grad=False))
        if found.broken:
            found = capture.on_detached_weights(self.model, lambda: self.attempt(grad=True))
        return found

    def attempt(self, grad: bool) -> _Pass:
        recording, returned = laid_out(self.model, self.inputs, lambda memory: _forward(self, grad, memory))
        points = recording.points()
        if self.stop:
            _run_once[self.model] |= points.keys()
            return _Pass(None, (), (), points, (), False)
        output = outputs.select(returned, self.choice)
        with torch.enable_grad():
            pinned = tuple(self.pin(output))
            scores = tuple(target.scores(output) for target in pinned)
            found = self._gradients(torch.cat(scores, 1), points) if self.gradients and points else ()
        return _Pass(output, pinned, scores, points, tuple(found), recording.severed)

    def _gradients(self, scores: Tensor, points: Mapping[Tap, Sequence[Point]]) -> Sequence[Tensor | None]:
        tensors = [point.tensor for tap in points for point in points[tap]]
        try:
            found, calls = gradients_at(scores, tensors)
        except RuntimeError as error:
            if _REENTRANT not in str(error):
                raise
            raise Disconnected(
                f"layers {', '.join(map(str, points))}: gradients cannot be taken through a block that is checkpointed "
                "reentrantly; build the model with use_reentrant=False"
            ) from error
        self.tally.gradient_calls += calls
        return found


def _forward(asked: _Asked, grad: bool, memory: torch.memory_format) -> tuple[capture.Recording, Any]:
    """The model on the inputs with all taps: the recording, and what it returned if it was not left early."""
    known = _run_once.setdefault(asked.model, set())
    recording = capture.Recording(
        asked.taps, asked.gradients, asked.stop and known >= set(asked.taps), asked.substitutes
    )
    asked.tally.forwards += 1
    with torch.set_grad_enabled(grad), capture.hooked(asked.model, recording):
        try:
            output = call(asked.model, copied(asked.inputs, memory))
        except capture.Enough:
            output = None
    return recording, output


@dataclass(frozen=True)
class _Pass:
    """What a pass left: the points of its taps, and the gradients (T, *point) at them one after the other."""

    output: Any
    pinned: tuple[Pinned, ...]
    scores: tuple[Tensor, ...]
    points: Mapping[Tap, Sequence[Point]]
    gradients: tuple[Tensor | None, ...]
    severed: bool

    @property
    def ambiguous(self) -> bool:
        """Whether a tap's module returned several tensors and the tap does not say which."""
        return any(len(points) > 1 for points in self.points.values())

    @property
    def broken(self) -> bool:
        """Grad was switched off on the way, or a score reached no tap: worth another pass on detached weights."""
        if self.severed:
            return True
        found = self._by_tap()
        return any(all(gradient is None for _, gradient in found[tap]) for tap in found)

    def _by_tap(self) -> dict[Tap, list[tuple[Point, Tensor | None]]]:
        """Every point with its gradient, by tap; empty without gradients."""
        left = iter(self.gradients)
        return (
            {tap: [(point, next(left)) for point in self.points[tap]] for tap in self.points} if self.gradients else {}
        )

    def trace(self, inputs: Any, taps: Sequence[Tap], hint: int | None, gradients: bool) -> Trace:
        """The trace of this pass, with gradients if they were asked for."""
        first = first_tensor(inputs)
        found = self._by_tap()
        chosen = {tap: _chosen(tap, found[tap], self.pinned) if found else (self.points[tap][0], None) for tap in taps}
        layouts = {tap: tap.layout or _layout(tap, point.tensor, first, hint) for tap, (point, _) in chosen.items()}
        pinned, scores = self.pinned, self.scores
        if not pinned:
            pinned, scores = (Unpinned(),), (Unpinned().scores(first),)
        stops = _cumulated([part.shape[1] for part in scores])
        return Trace(
            inputs=inputs,
            space=tuple(first.shape[2:]),
            output=self.output.detach() if isinstance(self.output, Tensor) else self.output,
            pinned=pinned,
            columns=tuple(slice(start, stop) for start, stop in stops),
            scores=torch.cat(scores, 1).detach(),
            activations={tap: layouts[tap].to_map(point.tensor.detach()) for tap, (point, _) in chosen.items()},
            gradients={
                tap: _mapped(gradient, layouts[tap])
                for tap, (_, gradient) in chosen.items()
                if gradients and gradient is not None
            },
            places={tap: Place(point.path, point.turn, layouts[tap]) for tap, (point, _) in chosen.items()},
        )


def _chosen(tap: Tap, found: Sequence[tuple[Point, Tensor | None]], pinned: Sequence[Pinned]) -> tuple[Point, Tensor]:
    """The first tensor that all scores depend on."""
    for point, gradient in found:
        if gradient is not None:
            return point, gradient
    raise Disconnected(
        f"the score ({', '.join(map(str, pinned))}) does not depend on layer {tap}: it lies beside the way to the "
        "output, behind it, or in a block that is checkpointed reentrantly (use_reentrant=False is served)"
    )


def _mapped(gradient: Tensor, layout: Layout) -> Tensor:
    """(T, *point) as (N, T, C, *S)."""
    if len(gradient) == 1:
        return layout.to_map(gradient[0]).unsqueeze(1)
    return torch.stack([layout.to_map(column) for column in gradient], 1)


def _cumulated(sizes: Sequence[int]) -> list[tuple[int, int]]:
    stops = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return list(zip([0, *stops], stops, strict=False))


def _layout(tap: Tap, point: Tensor, first: Tensor, hint: int | None) -> Layout:
    layout = infer(tuple(point.shape), tuple(first.shape[2:]), hint) if point.shape[:1] == first.shape[:1] else None
    if layout is None:
        raise TapError(
            f"layer {tap} returned {tuple(point.shape)} for inputs {tuple(first.shape)}: expected a map (N, C, ...), "
            f"a channels-last map, or tokens with a grid; name another layer, or an index such as '{tap.name}[0]'"
        )
    return layout
