"""Inputs of chosen samples, where a model takes several: which of them have a row a sample is told by what they do.

Whatever is as long as the batch may have, as the masks of pictures, or may be shared by all samples, as prompts of which
there are as many as pictures. A reading is trusted when repeating the samples repeats the true output.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, islice
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xaikit.engine.context import PassContext
from xaikit.engine.reruns.chunks import is_out_of_memory
from xaikit.errors import ConfigError
from xaikit.evidence.conditions import undisturbed
from xaikit.passes.nests import Path, rows, sample_paths, signature, tensors_in

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 3e-2}
"""Of the largest number of the output: what another batch size may change. A tail that is cut in the wrong place is off
by far more."""


MOST_READINGS = 16
"""That are tried, each by a pass."""


_shared: WeakKeyDictionary[nn.Module, dict[Any, frozenset[Path]]] = WeakKeyDictionary()


def inputs_of(context: PassContext, index: Tensor) -> Any:
    """The inputs of chosen samples, which may repeat.

    Raises:
        ConfigError: no reading of the inputs repeats the true output.
    """
    return rows(context.inputs, index, _shared_inputs(context))


def _shared_inputs(context: PassContext) -> frozenset[Path]:
    """The ways to inputs that are no sample's. Costs a pass or more, once for a model and its shapes of several inputs."""
    if len(list(tensors_in(context.inputs))) == 1:
        return frozenset()
    key = (signature(context.inputs), context.readout, context.shared)
    remembered = _shared.setdefault(context.model, {})
    if key not in remembered:
        remembered[key] = _told(context)
    return remembered[key]


def _told(context: PassContext) -> frozenset[Path]:
    readings = _readings(sample_paths(context.inputs)[1:]) if context.shared is None else iter([context.shared])
    # another order, and one sample twice
    index = (torch.arange(context.samples + 1) + 1) % context.samples
    for shared in islice(readings, MOST_READINGS):
        if _repeats(context, index, shared):
            return shared
    names = ", ".join(".".join(map(str, path)) for path, _ in tensors_in(context.inputs))
    raise ConfigError(
        f"inputs: expected to know which of {names} have a row a sample, got another output where samples are repeated, "
        f"{'whichever do' if context.shared is None else 'as shared= says it'}: name those that are no sample's as shared=, "
        "such as shared=['input_ids'] or shared=[1], or take a method that varies no input, such as gradcam"
    )


def _readings(paths: list[Path]) -> Iterator[frozenset[Path]]:
    """Which of these may be shared: none, all, or some, the fewest first."""
    some = chain.from_iterable(combinations(paths, count) for count in range(1, len(paths)))
    return map(frozenset, chain([()], [paths] if paths else [], some))


def _repeats(context: PassContext, index: Tensor, shared: frozenset[Path]) -> bool:
    """Whether the true output repeats as its samples do; whatever a wrong reading raises."""
    pinned, true = context.pinned_of(index), context.trace.output
    assert pinned is not None  # else samples cannot be chosen
    try:
        with undisturbed(context.model, context.readout.mode), torch.no_grad():
            output = context.forward(rows(context.inputs, index, shared))
            scores = pinned.scores(output)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return False
    if isinstance(output, Tensor) and isinstance(true, Tensor) and not is_close(output, true[index], true):
        return False
    return is_close(scores, context.trace.scores[index], true)


def is_close(values: Tensor, expected: Tensor, output: Any) -> bool:
    """Whether values are the true ones up to what another batch size may change.

    Args:
        output: the true one, in whose largest finite magnitude differences are measured: a score may be near zero, or a sum
            over many places of the output.
    """
    if values.shape != expected.shape:
        return False
    near = (values - expected).abs() <= TOLERANCES.get(expected.dtype, 1e-4) * _largest(output, expected)
    return bool(((values == expected) | near | (values.isnan() & expected.isnan())).all())


def _largest(output: Any, scores: Tensor) -> Tensor:
    tensors = [scores, output] if isinstance(output, Tensor) and output.is_floating_point() else [scores]
    return torch.stack([torch.nan_to_num(one, 0.0, 0.0, 0.0).abs().amax().to(scores.dtype) for one in tensors]).amax()
