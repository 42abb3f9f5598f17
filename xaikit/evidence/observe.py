"""One pass of the model: a forward with all taps, and the gradients of all scores at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.errors import ConfigError, Disconnected
from xaikit.evidence import forward
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import Readout, call
from xaikit.evidence.hooks import StopForward, Substitute
from xaikit.evidence.origins import origins
from xaikit.evidence.pinned import columns_of
from xaikit.evidence.reading import MapReader
from xaikit.evidence.recorder import GradientsOf, Recorded, Recording
from xaikit.evidence.result import PassResult
from xaikit.evidence.taps import BIASES, Tap
from xaikit.evidence.trace import Trace
from xaikit.layouts import Arrangement
from xaikit.passes.backprop import gradients_at
from xaikit.passes.dependence import depend, gradients_by_row, normalizes_batches
from xaikit.passes.memory_format import laid_out
from xaikit.passes.nests import copied, first_tensor, varied
from xaikit.passes.once import ran_once
from xaikit.passes.tally import Tally
from xaikit.passes.weights import attempt
from xaikit.targets import Pinned, scores_of

Pin = Callable[[Any], Sequence[Pinned]]


GRADIENTS = 32 * 2**20
"""Bytes of gradients of one sample that one pass takes: of a sample, so that a map does not depend on the batch."""

_REENTRANT = "use_reentrant"


def columns_at_once(size: int) -> int:
    """How many targets have their gradients in memory at once, of so many bytes a sample and target."""
    return max(1, GRADIENTS // max(size, 1))


def observe(
    model: nn.Module,
    inputs: Any,
    taps: Sequence[Tap],
    pin: Pin,
    *,
    gradients: bool,
    readout: Readout = forward.WHOLE,
    tally: Tally | None = None,
    stop: bool = False,
    substitutes: Mapping[Tap, Substitute] | None = None,
    input_layout: Arrangement | None = None,
    first: int | None = None,
    differentiable: bool = False,
) -> Trace:
    """One pass: a forward, and where gradients are needed one gradient call for all targets (on a CPU, one each).

    Args:
        pin: gives the pinned targets, from what is read of this pass.
        readout: what targets are scored on.
        stop: pin nothing, scores are NaN; and leave the forward behind the last tap, as soon as an earlier one that was not
            left, of inputs of this shape and the model as it is, has shown that the taps run once. How often they run must
            not depend on the numbers in the inputs.
        substitutes: what a tap returns instead of what its module returned.
        input_layout: how the (first) input is arranged, where somebody says it.
        first: take gradients from this column of all targets on, and only as many as are in memory at once
            (:func:`columns_at_once`); ``rest`` of the trace says where the next pass begins. Without it, of all.
        differentiable: keep the graph of the whole pass, from the weights to the gradients, in place of what begins at the taps.

    Raises:
        TapError: a tap never ran, ran twice, or has no map.
        Disconnected: a score does not depend on a tap.
    """
    tally = Tally() if tally is None else tally
    once = ran_once(model, inputs, readout.mode) if stop else None
    one = _Pass(
        model, inputs, tuple(taps), pin, gradients, readout, tally, once, substitutes or {}, first, differentiable
    )
    with undisturbed(model, readout.mode):
        result = one.run()
        if result.ambiguous and not gradients:
            # which of several tensors a tap means does not depend on who else is explained: the score decides
            result = replace(one, gradients=True, once=None).run()
    paths = origins(model, inputs, one.taps, readout.mode)
    return result.trace(inputs, one.taps, MapReader(model, inputs, input_layout), gradients, paths)


@dataclass(frozen=True)
class _Pass:
    """What one pass is to do.

    once  the taps that are known to run once, where the pass may stop at them
    """

    model: nn.Module
    inputs: Any
    taps: tuple[Tap, ...]
    pin: Pin
    gradients: bool
    readout: Readout
    tally: Tally
    once: set[Tap] | None
    substitutes: Mapping[Tap, Substitute]
    first: int | None
    differentiable: bool

    def run(self) -> PassResult:
        """The pass; once more on detached weights where grad was off on the way or a score reached no tap."""
        # with grad on from the beginning there is a result
        return attempt(self.model, self._attempt) if not self.differentiable else self._attempt(True)  # type: ignore[return-value]

    def _attempt(self, grad: bool) -> PassResult | None:
        recording, returned = laid_out(self.model, self.inputs, lambda memory: self._forward(grad, memory))
        recorded = recording.recorded()
        if self.once is not None:
            self.once.update(recorded.points)
            return PassResult(None, (), (), recorded, differentiable=self.differentiable)
        output = forward.select(returned, self.readout)
        with torch.enable_grad():
            pinned = tuple(self.pin(output))
            scores = tuple(scores_of(target, output, len(first_tensor(self.inputs))) for target in pinned)
            pinned, scores, rest = self._served(pinned, scores, recorded)
            dependent = len(first_tensor(self.inputs)) > 1 and normalizes_batches(self.model.modules())
            if self.gradients:
                mixed = depend(self.model, torch.cat(scores, 1), recorded.tensors)
                recorded = self._differentiated(torch.cat(scores, 1), recorded, self._gradients_of(mixed))
                dependent = dependent or mixed
        result = PassResult(output, pinned, scores, recorded, dependent, rest, self.differentiable)
        return None if not grad and (recording.severed or result.is_broken) else result

    def _served(
        self, pinned: tuple[Pinned, ...], scores: tuple[Tensor, ...], recorded: Recorded
    ) -> tuple[tuple[Pinned, ...], tuple[Tensor, ...], int | None]:
        """The targets and scores that this pass takes gradients of, and the first column that it does not serve."""
        total = sum(part.shape[1] for part in scores)
        if self.first is None or not self.gradients:
            return pinned, scores, None
        sizes = (tensor.numel() * tensor.element_size() for tensor in recorded.tensors)
        stop = self.first + columns_at_once(sum(sizes) // max(len(first_tensor(self.inputs)), 1))
        if self.first == 0 and stop >= total:
            return pinned, scores, None
        return *columns_of(pinned, scores, slice(self.first, min(stop, total))), stop if stop < total else None

    def _gradients_of(self, mixed: bool) -> GradientsOf:
        if not self.differentiable:
            several = any(tap.backward for tap in self.taps)
            return gradients_by_row if mixed else partial(gradients_at, keep=several)
        if mixed:
            raise ConfigError(
                "differentiable: expected samples that do not depend on each other, got a model that mixes those of a batch, as "
                'batch normalization in training does; take mode="eval"'
            )
        return partial(gradients_at, create_graph=True)

    def _differentiated(self, scores: Tensor, recorded: Recorded, gradients_of: GradientsOf) -> Recorded:
        try:
            recorded, calls = recorded.differentiate(scores, gradients_of)
        except RuntimeError as error:
            if _REENTRANT not in str(error):
                raise
            raise Disconnected(
                f"layers {', '.join(map(str, self.taps))}: gradients cannot be taken through a block that is checkpointed "
                "reentrantly; build the model with use_reentrant=False"
            ) from error
        self.tally.gradient_calls += calls
        return recorded

    def _forward(self, grad: bool, memory: torch.memory_format) -> tuple[Recording, Any]:
        """The model on the inputs with all taps: the recording, and what it returned if it was not left early."""
        stop = self.once is not None and self.once.issuperset(tap for tap in self.taps if tap.is_hooked)
        recording = Recording(self.taps, self.gradients, stop, self.substitutes)
        self.tally.forwards += 1
        inputs = copied(self.inputs, memory)
        if self.gradients and BIASES in self.taps and first_tensor(inputs).is_floating_point():
            inputs = varied(inputs, recording.from_input(first_tensor(inputs)))
            grad = True
        with torch.set_grad_enabled(grad), recording.hooked(self.model):
            try:
                return recording, call(self.model, inputs, self.readout.layers)
            except StopForward:
                return recording, None
