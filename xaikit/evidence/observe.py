"""One pass of the model: a forward with all taps, and the gradients of all scores at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xaikit.errors import Disconnected
from xaikit.evidence import conditions, forward
from xaikit.evidence.backprop import gradients_at
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call, laid_out
from xaikit.evidence.hooks import StopForward, Substitute
from xaikit.evidence.nests import copied, first_tensor, varied
from xaikit.evidence.recorder import Recorded, Recording
from xaikit.evidence.result import MapReader, PassResult
from xaikit.evidence.taps import BIASES, Tap
from xaikit.evidence.trace import Trace
from xaikit.targets import Pinned

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
    output: str | int = forward.AUTO,
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
    return found.trace(inputs, asked.taps, MapReader.of(model, inputs), gradients)


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

    def attempts(self) -> PassResult:
        """The pass; once more on detached weights where grad was off on the way or a score reached no tap."""
        found: PassResult = conditions.on_usable_weights(self.model, lambda: self.attempt(grad=False))
        if found.broken:
            found = conditions.on_detached_weights(self.model, lambda: self.attempt(grad=True))
        return found

    def attempt(self, grad: bool) -> PassResult:
        recording, returned = laid_out(self.model, self.inputs, lambda memory: _forward(self, grad, memory))
        recorded = recording.recorded()
        if self.stop:
            _run_once[self.model] |= recorded.points.keys()
            return PassResult(None, (), (), recorded, (), False)
        output = forward.select(returned, self.choice)
        with torch.enable_grad():
            pinned = tuple(self.pin(output))
            scores = tuple(target.scores(output) for target in pinned)
            found = self._gradients(torch.cat(scores, 1), recorded) if self.gradients else ()
        return PassResult(output, pinned, scores, recorded, tuple(found), recording.severed)

    def _gradients(self, scores: Tensor, recorded: Recorded) -> Sequence[Tensor | None]:
        tensors = recorded.tensors
        if not tensors:
            return ()
        try:
            found, calls = gradients_at(scores, tensors)
        except RuntimeError as error:
            if _REENTRANT not in str(error):
                raise
            raise Disconnected(
                f"layers {', '.join(map(str, self.taps))}: gradients cannot be taken through a block that is checkpointed "
                "reentrantly; build the model with use_reentrant=False"
            ) from error
        self.tally.gradient_calls += calls
        return found


def _forward(asked: _Asked, grad: bool, memory: torch.memory_format) -> tuple[Recording, Any]:
    """The model on the inputs with all taps: the recording, and what it returned if it was not left early."""
    known = _run_once.setdefault(asked.model, set())
    stop = asked.stop and all(tap in known for tap in asked.taps if tap.is_hooked)
    recording = Recording(asked.taps, asked.gradients, stop, asked.substitutes)
    asked.tally.forwards += 1
    inputs = copied(asked.inputs, memory)
    if asked.gradients and BIASES in asked.taps and first_tensor(inputs).is_floating_point():
        inputs = varied(inputs, recording.from_input(first_tensor(inputs)))
        grad = True
    with torch.set_grad_enabled(grad), recording.hooked(asked.model):
        try:
            output = call(asked.model, inputs)
        except StopForward:
            output = None
    return recording, output
