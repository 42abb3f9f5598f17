"""Gradients at variants of the activations, several variants in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from xaikit.further import Make
from xaikit.passes.chunks import is_out_of_memory
from xaikit.reruns.context import PassContext
from xaikit.reruns.rescore import inputs_of, repeated
from xaikit.targets import Pinned

ROWS = 10
"""Of a pass that is differentiated: a batch of fewer samples takes several variants at once, a larger one a variant at a time, as
whoever made it knows that it fits."""

GradientsAt = Callable[[Any, Tensor, Pinned], Tensor]
"""From inputs, activations (rows, C, *S) in place of theirs, and the target of the rows to the gradients (rows, T, C, *S)."""


def gradients_of_variants(context: PassContext, count: int, make: Make, gradients_at: GradientsAt) -> Iterator[Tensor]:
    """See :meth:`xaikit.view.View.gradients_with`."""
    passes = _Passes(context, gradients_at)
    start = 0
    while start < count:
        variants = make(slice(start, min(start + passes.most, count)))
        start += variants.shape[1]
        yield from passes.of(variants)


class _Passes:
    """Passes of several variants each, of fewer where memory runs out or the model does not take as many rows.

    most  variants of one pass
    """

    def __init__(self, context: PassContext, gradients_at: GradientsAt) -> None:
        self._context, self._gradients_at = context, gradients_at
        apart = context.trace.dependent or context.pinned_of(torch.arange(context.samples)) is None
        self.most = 1 if apart else max(1, ROWS // context.samples)

    def of(self, variants: Tensor) -> Iterator[Tensor]:
        """The gradients (N, T, C, *S) at each of the variants (N, m, C, *S)."""
        for part in torch.split(variants, self.most, 1):
            gradients = self._attempt(part)
            if gradients is None:
                yield from self.of(part)
            else:
                yield from gradients.unbind(1)

    def _attempt(self, variants: Tensor) -> Tensor | None:
        """(N, m, T, C, *S); None where that raised, and there are to be fewer at once."""
        each = variants.shape[1]
        try:
            return self._together(variants)
        except Exception as error:  # of a model that takes so many rows and no others, whatever it raises
            if each == 1:
                raise
            is_memory = is_out_of_memory(error)
        self.most = (each + 1) // 2 if is_memory else 1
        if is_memory:
            self._context.tally.halvings += 1
            self._context.remark(f"out of memory: chunks halved to {self.most}")
        return None

    def _together(self, variants: Tensor) -> Tensor:
        context, each = self._context, variants.shape[1]
        inputs, pinned = context.inputs, context.pinned
        if each > 1:
            index = repeated(context.samples, each)
            of_rows = context.pinned_of(index)
            assert of_rows is not None  # they come one at a time where rows cannot be chosen
            inputs, pinned = inputs_of(context, index), of_rows
        gradients = self._gradients_at(inputs, variants.flatten(0, 1), pinned)
        return gradients.reshape(context.samples, each, *gradients.shape[1:])
