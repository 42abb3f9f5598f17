"""The model again, from other inputs: variants are made, scored and dropped chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaikit import outputs
from xaikit.calling import call, copied, first_tensor, laid_out, rows, varied
from xaikit.chunks import in_chunks, rows_of_inputs
from xaikit.conditions import undisturbed
from xaikit.config import Precision
from xaikit.errors import ConfigError
from xaikit.observe import Tally
from xaikit.targets import Pinned
from xaikit.view import Make


@dataclass(frozen=True)
class Scorer:
    """A model and the pinned target that its outputs are scored by.

    precision  of the autocast of these passes; float32 is none, the model's own type
    halved     is told the new size where memory ran out and a chunk was halved
    """

    model: nn.Module
    inputs: Any
    pinned: Pinned
    output: str | int
    tally: Tally
    precision: Precision = "float32"
    halved: Callable[[int], None] = lambda size: None

    @property
    def samples(self) -> int:
        """N"""
        return len(first_tensor(self.inputs))

    def pinned_of(self, index: Tensor) -> Pinned | None:
        """The target of chosen samples; None where it can only score the samples it was pinned on."""
        narrow = getattr(self.pinned, "rows", None)
        return None if narrow is None else narrow(index)

    def score(self, inputs: Any, pinned: Pinned, *, probabilities: bool = False, exact: bool = False) -> Tensor:
        """One forward, (rows, T), in float32 at least.

        Args:
            exact: without autocast.
        """
        self.tally.forwards += 1
        self.tally.reruns += 1
        score = probability_of(pinned) if probabilities else pinned.scores
        precision = "float32" if exact else self.precision

        def run(memory: torch.memory_format) -> Any:
            return call(self.model, copied(inputs, memory))

        with scoring(self.model, precision):
            result = score(outputs.select(laid_out(self.model, inputs, run), self.output)).detach()
        return result.float() if result.dtype in (torch.float16, torch.bfloat16) else result

    def in_chunks(self, count: int, size: int, work: Callable[[slice], Tensor]) -> Tensor:
        """``work(slice) -> (N, T, m)`` over all variants, together (N, T, count)."""
        return torch.cat(in_chunks(count, size, work, self._halved), 2)

    def _halved(self, size: int) -> None:
        self.tally.halvings += 1
        self.halved(size)


@contextmanager
def scoring(model: nn.Module, precision: Precision) -> Iterator[None]:
    """The conditions of a pass that is only scored."""
    device = next((value.device.type for value in model.parameters()), "cpu")
    # with float32 a caller's own autocast stays what it is
    cast = nullcontext() if precision == "float32" else torch.autocast(device, getattr(torch, precision))
    with undisturbed(model), torch.no_grad(), cast:
        yield


def probability_of(pinned: Pinned) -> Callable[[Any], Tensor]:
    """The function from an output to the probabilities of the pinned classes.

    Raises:
        ConfigError: the target is no class.
    """
    found: Callable[[Any], Tensor] | None = getattr(pinned, "probabilities", None)
    if found is None:
        raise ConfigError(f"target: expected classes, which have a probability, got {type(pinned).__name__}")
    return found


def rescore(scorer: Scorer, count: int, make: Make, probabilities: bool = False) -> Tensor:
    """The scores of variants of the (first) input, (N, T, count); see :meth:`xaikit.view.View.rescore`."""
    first = first_tensor(scorer.inputs)
    samples = scorer.samples
    size = max(1, rows_of_inputs(first[:1]) // samples)

    def work(part: slice) -> Tensor:
        return by_rows(scorer, make(part), probabilities)

    if scorer.pinned_of(torch.arange(samples)) is None:
        size = 1
    return scorer.in_chunks(count, size, work)


def by_rows(scorer: Scorer, variants: Tensor, probabilities: bool) -> Tensor:
    """(N, m, ...) variants of the first input in one batch: the scores (N, T, m)."""
    samples, each = variants.shape[:2]
    index = repeated(samples, each)
    pinned = scorer.pinned if each == 1 else scorer.pinned_of(index)
    assert pinned is not None  # variants come one at a time where rows cannot be chosen
    inputs = varied(scorer.inputs if each == 1 else rows(scorer.inputs, index), variants.flatten(0, 1))
    return apart(scorer.score(inputs, pinned, probabilities=probabilities), each)


def repeated(samples: int, each: int) -> Tensor:
    """The rows of samples, each as often as it has variants: 0 0 0 1 1 1 ..."""
    return torch.arange(samples).repeat_interleave(each)


def apart(scores: Tensor, each: int) -> Tensor:
    """(N * each, T) as (N, T, each)."""
    return scores.reshape(-1, each, scores.shape[1]).transpose(1, 2)
