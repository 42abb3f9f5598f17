"""Inputs of chosen samples: which of several have a row a sample is trusted when repeating them repeats the true output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from xaikit.engine.context import PassContext
from xaikit.engine.reruns.chunks import is_out_of_memory
from xaikit.evidence.conditions import undisturbed
from xaikit.passes.nests import rows
from xaikit.passes.samples import Shared, shared_inputs
from xaikit.passes.tolerance import is_close


def inputs_of(context: PassContext, index: Tensor) -> Any:
    """The inputs of chosen samples, which may repeat. Costs a pass or more, once for a model and its shapes of several inputs.

    Raises:
        ConfigError: no reading of the inputs repeats the true output.
    """
    # another order, and one sample twice
    order = (torch.arange(context.samples + 1) + 1) % context.samples
    shared = shared_inputs(
        context.model, context.inputs, context.shared, context.readout, lambda shared: _repeats(context, order, shared)
    )
    return rows(context.inputs, index, shared)


def _repeats(context: PassContext, index: Tensor, shared: Shared) -> bool:
    """Whether the true output repeats as its samples do; whatever a wrong reading raises."""
    pinned, true = context.pinned_of(index), context.trace.output
    if pinned is None:
        return False
    try:
        with undisturbed(context.model, context.readout.mode), torch.no_grad():
            output = context.forward(rows(context.inputs, index, shared))
            scores = pinned.scores(output)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return False
    pairs = [(scores, context.trace.scores[index])]
    if isinstance(output, Tensor) and isinstance(true, Tensor) and len(true) == context.samples:
        pairs.append((output, true[index]))
    return all(is_close(one, expected, true) for one, expected in pairs)
