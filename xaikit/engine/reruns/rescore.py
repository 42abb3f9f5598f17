"""The model again, from other inputs: variants are made, scored and dropped chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.config import Precision
from xaikit.engine.reruns.chunks import in_chunks, rows_of_inputs
from xaikit.errors import ConfigError
from xaikit.evidence import forward
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call, laid_out
from xaikit.evidence.nests import copied, first_tensor, rows, varied
from xaikit.evidence.observe import Tally
from xaikit.targets import Pinned, probabilities_of, rows_of
from xaikit.view import Make

MOST_KEPT = 256 * 2**20
"""Bytes of outputs that are kept at a time."""


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
        narrow = rows_of(self.pinned)
        return None if narrow is None else narrow(index)

    def run(self, inputs: Any, *, exact: bool = False) -> Any:
        """One forward: the selected output.

        Args:
            exact: without autocast.
        """
        self.tally.forwards += 1
        self.tally.reruns += 1

        def run(memory: torch.memory_format) -> Any:
            return call(self.model, copied(inputs, memory))

        with scoring(self.model, "float32" if exact else self.precision):
            return forward.select(laid_out(self.model, inputs, run), self.output)

    def score(self, output: Any, pinned: Pinned, *, probabilities: bool = False, exact: bool = False) -> Tensor:
        """The scores of an output, (rows, T), in float32 at least."""
        score = probability_of(pinned) if probabilities else pinned.scores
        with scoring(self.model, "float32" if exact else self.precision):
            result = score(output).detach()
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
    found = probabilities_of(pinned)
    if found is None:
        raise ConfigError(f"target: expected classes, which have a probability, got {type(pinned).__name__}")
    return found


class OutputCache:
    """Outputs for variants, kept for those who ask for the same variants again.

    A slice of variants is known as it was made: by another size of chunks nothing is found, and the model runs again.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._left = most
        self._outputs: dict[Hashable, Tensor] = {}

    def find(self, turn: Hashable, part: slice) -> Tensor | None:
        """The output for a slice of the variants that were asked for in some turn, None where there is none."""
        return self._outputs.get((turn, part.start, part.stop))

    def keep(self, turn: Hashable, part: slice, output: Any) -> None:
        """Keep an output, if it is a tensor and there is room."""
        if isinstance(output, Tensor) and output.numel() * output.element_size() <= self._left:
            # a copy: it may be a small part of a large tensor
            self._outputs[turn, part.start, part.stop] = output.clone()
            self._left -= output.numel() * output.element_size()


def rescore(
    scorer: Scorer,
    count: int,
    make: Make,
    probabilities: bool = False,
    kept: OutputCache | None = None,
    turn: Hashable = None,
) -> Tensor:
    """The scores of variants of the (first) input, (N, T, count); see :meth:`xaikit.view.View.rescore`.

    Args:
        kept: where outputs for these variants are looked for and left; ``turn`` tells them from other variants.
    """
    if probabilities:
        probability_of(scorer.pinned)  # said before anything is computed
    first = first_tensor(scorer.inputs)
    samples = scorer.samples
    size = max(1, rows_of_inputs(first[:1]) // samples)

    def work(part: slice) -> Tensor:
        output = None if kept is None else kept.find(turn, part)
        if output is None:
            output = run_rows(scorer, make(part))
            if kept is not None:
                kept.keep(turn, part, output)
        return score_rows(scorer, output, part.stop - part.start, probabilities)

    if scorer.pinned_of(torch.arange(samples)) is None:
        size = 1
    return scorer.in_chunks(count, size, work)


def run_rows(scorer: Scorer, variants: Tensor) -> Any:
    """The output for (N, m, ...) variants of the first input in one batch."""
    samples, each = variants.shape[:2]
    inputs = scorer.inputs if each == 1 else rows(scorer.inputs, repeated(samples, each))
    return scorer.run(varied(inputs, variants.flatten(0, 1)))


def score_rows(scorer: Scorer, output: Any, each: int, probabilities: bool = False) -> Tensor:
    """The scores (N, T, m) of an output for m variants a sample."""
    pinned = scorer.pinned if each == 1 else scorer.pinned_of(repeated(scorer.samples, each))
    assert pinned is not None  # variants come one at a time where rows cannot be chosen
    return apart(scorer.score(output, pinned, probabilities=probabilities), each)


def repeated(samples: int, each: int) -> Tensor:
    """The rows of samples, each as often as it has variants: 0 0 0 1 1 1 ..."""
    return torch.arange(samples).repeat_interleave(each)


def apart(scores: Tensor, each: int) -> Tensor:
    """(N * each, T) as (N, T, each)."""
    return scores.reshape(-1, each, scores.shape[1]).transpose(1, 2)
