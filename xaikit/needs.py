"""What a method asks of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import reduce
from operator import or_
from typing import Literal

LayerNeed = Literal["none", "input", "one", "all"]
_BREADTH: tuple[LayerNeed, ...] = ("none", "input", "one", "all")
"""A union that has attention or biases is "all", as one of its parts is."""


@dataclass(frozen=True, slots=True)
class Needs:
    """The evidence that a method reads; the union over methods is what a pass records.

    gradients  0 none, 1 the first derivative of the score at the tap, 2 also Hessian products
    inputs     the model's inputs, as the model received them
    module     the model itself, read-only
    head       the weight of the linear classifier
    attention  0 none, 1 the attention probabilities of every block (with gradients=1 also the gradients of the score at
               them), 2 also the gradients at them of the score that each block's own tokens get
    biases     what every layer adds beyond its linear part, and the gradients of the score there and at the input
    reruns     further passes of the model, from other inputs (``view.retrace``, ``view.rescore``)
    replays    further passes of what lies behind the tap, from other activations (``view.retrace_with``,
               ``view.rescore_with``)
    scores     what is explained; False for a method that the target is nothing to: where no method of a batch
               needs it, the forward stops at the layer
    layers     "one": ``explain`` sees one tap at a time; "all": it sees the evidence of the whole model, of attention or
               biases, and makes one map; "input": it sees the model's input as a layer, ``layers: input`` for others; "none": the
               inputs alone, and one map. With all but "one", ``layers`` of a config plays no part

    The activations of a tap come without asking.

    >>> (Needs(gradients=1) | Needs(inputs=True, scores=False)) == Needs(gradients=1, inputs=True)
    True
    """

    gradients: Literal[0, 1, 2] = 0
    inputs: bool = False
    module: bool = False
    head: bool = False
    attention: Literal[0, 1, 2] = 0
    biases: bool = False
    reruns: bool = False
    replays: bool = False
    scores: bool = True
    layers: LayerNeed = "one"

    def __post_init__(self) -> None:
        if (self.attention or self.biases) and self.layers != "all":
            raise ValueError(
                f'layers: expected "all" beside attention or biases, which are of all layers, got "{self.layers}"'
            )

    @property
    def uses_target(self) -> bool:
        """Whether a target plays a part."""
        return self.scores or bool(self.gradients)

    def __or__(self, other: Needs) -> Needs:
        most = {item.name: max(getattr(self, item.name), getattr(other, item.name)) for item in fields(self)}
        return Needs(**{**most, "layers": max(self.layers, other.layers, key=_BREADTH.index)})


def union(needs: Iterable[Needs]) -> Needs:
    """What all of them ask for together; the scores only if one of them does."""
    return reduce(or_, needs, Needs(scores=False, layers="none"))
