"""What a method asks of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Literal

LayerNeed = Literal["none", "one", "all"]
_BREADTH: tuple[LayerNeed, ...] = ("none", "one", "all")


@dataclass(frozen=True, slots=True)
class Needs:
    """The evidence that a method reads; the union over methods is what a pass records.

    gradients  0 none, 1 the first derivative of the score at the tap, 2 also Hessian products
    inputs     the model's inputs, as the model received them
    module     the model itself, read-only
    head       the weight of the linear classifier
    attention  attention probabilities
    reruns     further passes of the model, from other inputs (``view.retrace``, ``view.rescore``)
    replays    further passes of what lies behind the tap, from other activations (``view.retrace_with``,
               ``view.rescore_with``)
    scores     what is explained; False for a method that the target is nothing to: where no method of a batch
               needs it, the forward stops at the layer
    layers     "one": ``explain`` sees one tap at a time; "all": the views of all taps; "none": no tap at all

    The activations of a tap come without asking.

    >>> (Needs(gradients=1) | Needs(inputs=True, scores=False)) == Needs(gradients=1, inputs=True)
    True
    """

    gradients: Literal[0, 1, 2] = 0
    inputs: bool = False
    module: bool = False
    head: bool = False
    attention: bool = False
    reruns: bool = False
    replays: bool = False
    scores: bool = True
    layers: LayerNeed = "one"

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            gradients=max(self.gradients, other.gradients),
            inputs=self.inputs or other.inputs,
            module=self.module or other.module,
            head=self.head or other.head,
            attention=self.attention or other.attention,
            reruns=self.reruns or other.reruns,
            replays=self.replays or other.replays,
            scores=self.scores or other.scores,
            layers=max(self.layers, other.layers, key=_BREADTH.index),
        )


def union(needs: Iterable[Needs]) -> Needs:
    """What all of them ask for together; the scores only if one of them does."""
    return reduce(or_, needs, Needs(scores=False, layers="none"))
