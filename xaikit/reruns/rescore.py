"""The model again, from other inputs: variants are made, scored and dropped chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from xaikit._numeric import exact
from xaikit.errors import ConfigError
from xaikit.evidence.conditions import undisturbed
from xaikit.passes.chunks import in_chunks, is_out_of_memory, rows_of_inputs
from xaikit.passes.memory_format import laid_out
from xaikit.passes.nests import copied, first_tensor, rows, varied
from xaikit.passes.samples import Shared, shared_inputs
from xaikit.passes.tolerance import is_close
from xaikit.reruns.context import PassContext
from xaikit.targets import Pinned, probabilities_of
from xaikit.view import Make

MOST_BYTES = 256 * 2**20
"""Of outputs that are stored at a time."""


def run(context: PassContext, inputs: Any) -> Any:
    """One forward: what is read of it."""
    context.count()
    with scoring(context):
        return laid_out(
            context.model, inputs, lambda memory: context.readout.run(context.model, copied(inputs, memory))
        )


def score(context: PassContext, output: Any, pinned: Pinned, *, probabilities: bool = False) -> Tensor:
    """The scores of an output, (rows, T), in float32 at least."""
    scores = probability_of(pinned) if probabilities else pinned.scores
    with scoring(context):
        return exact(scores(output).detach())


def scored_in_chunks(context: PassContext, count: int, size: int, work: Callable[[slice], Tensor]) -> Tensor:
    """``work(slice) -> (N, T, m)`` over all variants, together (N, T, count)."""

    def halved(size: int) -> None:
        context.tally.halvings += 1
        context.remark(f"out of memory: chunks halved to {size}")

    return torch.cat(in_chunks(count, size, work, halved), 2)


@contextmanager
def scoring(context: PassContext) -> Iterator[None]:
    """The conditions of a pass that is only scored."""
    device = next((value.device.type for value in context.model.parameters()), "cpu")
    # with float32 a caller's own autocast stays what it is
    cast = (
        nullcontext() if context.precision == "float32" else torch.autocast(device, getattr(torch, context.precision))
    )
    with undisturbed(context.model, context.readout.mode), torch.no_grad(), cast:
        yield


def probability_of(pinned: Pinned) -> Callable[[Any], Tensor]:
    """The function from an output to the probabilities of the pinned classes.

    Raises:
        ConfigError: the target is no class.
    """
    probabilities = probabilities_of(pinned)
    if probabilities is None:
        raise ConfigError(f"target: expected classes, which have a probability, got {type(pinned).__name__}")
    return probabilities


class OutputCache:
    """Outputs for variants, stored for those who ask for the same variants again.

    A slice of variants is looked up as it was made: by another size of chunks nothing is found, and the model runs again.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._left = most
        self._outputs: dict[Hashable, Tensor] = {}

    def find(self, turn: Hashable, part: slice) -> Tensor | None:
        """The output for a slice of the variants that were asked for in some turn, None where there is none."""
        return self._outputs.get((turn, part.start, part.stop))

    def store(self, turn: Hashable, part: slice, output: Any) -> None:
        """Store an output, if it is a tensor and there is room."""
        if isinstance(output, Tensor) and output.numel() * output.element_size() <= self._left:
            # a copy: it may be a small part of a large tensor
            self._outputs[turn, part.start, part.stop] = output.clone()
            self._left -= output.numel() * output.element_size()


def rescore(
    context: PassContext,
    count: int,
    make: Make,
    probabilities: bool = False,
    outputs: OutputCache | None = None,
    turn: Hashable = None,
) -> Tensor:
    """The scores of variants of the (first) input, (N, T, count); see :meth:`xaikit.view.View.rescore`.

    Args:
        outputs: where outputs for these variants are looked for and left; ``turn`` tells them from other variants.
    """
    if probabilities:
        probability_of(context.pinned)  # raises before anything is computed
    samples = context.samples
    outputs = OutputCache(most=0) if outputs is None else outputs

    def work(part: slice) -> Tensor:
        if context.trace.dependent:
            return _scored_apart(context, make(part), probabilities)
        each = part.stop - part.start
        output = outputs.find(turn, part)
        if output is None:
            output = _run_variants(context, make(part))
            outputs.store(turn, part, output)
        pinned = context.pinned if each == 1 else context.pinned_of(repeated(samples, each))
        assert pinned is not None  # variants come one at a time where rows cannot be chosen
        return apart(score(context, output, pinned, probabilities=probabilities), each)

    size = max(1, rows_of_inputs(first_tensor(context.inputs)[:1]) // samples)
    if context.pinned_of(torch.arange(samples)) is None or context.trace.dependent:
        size = 1
    return scored_in_chunks(context, count, size, work)


def _run_variants(context: PassContext, variants: Tensor) -> Any:
    """The output for (N, m, ...) variants of the first input in one batch."""
    samples, each = variants.shape[:2]
    inputs = context.inputs if each == 1 else inputs_of(context, repeated(samples, each))
    arranged = context.trace.input_layout.from_map(variants.flatten(0, 1), first_tensor(inputs))
    return run(context, varied(inputs, arranged))


def _scored_apart(context: PassContext, variants: Tensor, probabilities: bool) -> Tensor:
    """The scores (N, T, 1) of one variant (N, 1, ...) a sample, each beside the other samples as they are."""
    scores = []
    for row, variant in enumerate(variants.squeeze(1)):
        inputs = first_tensor(context.inputs).clone()
        inputs[row] = variant
        output = run(context, varied(context.inputs, inputs))
        scores.append(score(context, output, context.pinned, probabilities=probabilities)[row])
    return torch.stack(scores).unsqueeze(2)


def inputs_of(context: PassContext, index: Tensor) -> Any:
    """The inputs of chosen samples, which may repeat. Costs a pass or more, once for a model and its shapes of several inputs.

    Raises:
        ConfigError: no reading of the inputs repeats the true output.
    """
    # another order, and one sample twice
    order = (torch.arange(context.samples + 1) + 1) % context.samples
    try:
        shared = shared_inputs(
            context.model,
            context.inputs,
            context.shared,
            context.readout,
            lambda shared: _repeats(context, order, shared),
        )
    except ConfigError:
        _forward(context, context.inputs)  # a model that raises by itself says so
        raise
    return rows(context.inputs, index, shared)


def _repeats(context: PassContext, index: Tensor, shared: Shared) -> bool:
    """Whether the true output repeats as its samples do; not where it raises."""
    pinned, true = context.pinned_of(index), context.trace.output
    if pinned is None:
        return False
    try:
        output = _forward(context, rows(context.inputs, index, shared))
        scores = pinned.scores(output)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return False
    pairs = [(scores, context.trace.scores[index])]
    if isinstance(output, Tensor) and isinstance(true, Tensor) and len(true) == context.samples:
        pairs.append((output, true[index]))
    return all(is_close(one, expected, true) for one, expected in pairs)


def _forward(context: PassContext, inputs: Any) -> Any:
    with undisturbed(context.model, context.readout.mode), torch.no_grad():
        return context.forward(inputs)


def repeated(samples: int, each: int) -> Tensor:
    """The rows of samples, each as often as it has variants: 0 0 0 1 1 1 ..."""
    return torch.arange(samples).repeat_interleave(each)


def apart(scores: Tensor, each: int) -> Tensor:
    """(N * each, T) as (N, T, each)."""
    return scores.reshape(-1, each, scores.shape[1]).transpose(1, 2)
