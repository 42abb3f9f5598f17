"""Another layer of the model, by its name."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from xaikit.auto.auto import find, first_sample
from xaikit.errors import ConfigError
from xaikit.evidence.taps import AUTO, Tap, resolve
from xaikit.passes.nests import tensors_in
from xaikit.reruns.context import PassContext


def tap_of(context: PassContext, layer: str) -> Tap:
    """The one tap that a name means; ``auto`` is the last map on the way to the output of the first sample.

    Raises:
        LayerNotFound: the model has no such layer, or ``auto`` found none.
        ConfigError: there are several.
    """
    taps = _found(context) if layer == AUTO else tuple(resolve(context.model, layer))
    if len(taps) > 1:
        raise ConfigError(f"layer {layer}: expected one layer, got {', '.join(map(str, taps))}; name one of them")
    (tap,) = taps
    return tap if tap.layout is not None else replace(tap, layout=context.layout)


def _found(context: PassContext) -> tuple[Tap, ...]:
    """By the largest score of a classifier, which comes through the layers that the target does, and has a gradient where that
    has none; the largest number of another output, such as a coordinate of a box, may come another way."""
    inputs, output = context.inputs, context.trace.output
    score = _largest if isinstance(output, Tensor) and output.dim() == 2 else context.pinned.scores
    is_apart = score is _largest and len(list(tensors_in(inputs))) == 1
    return find(context.model, first_sample(inputs) if is_apart else inputs, score, context.readout)


def _largest(output: Tensor) -> Tensor:
    """(N, 1)"""
    return output.amax(1, keepdim=True)
