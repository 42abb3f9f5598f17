"""What a method asks of the engine."""

from __future__ import annotations

from dataclasses import dataclass
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
    reruns     further passes of the model (``view.retrace`` and its kin)
    layers     "one": ``explain`` sees one tap at a time; "all": the views of all taps; "none": no tap at all

    Activations and scores of a tap come without asking.

    >>> Needs(gradients=1) | Needs(inputs=True)
    Needs(gradients=1, inputs=True, module=False, head=False, attention=False, reruns=False, layers='one')
    """

    gradients: Literal[0, 1, 2] = 0
    inputs: bool = False
    module: bool = False
    head: bool = False
    attention: bool = False
    reruns: bool = False
    layers: LayerNeed = "one"

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            gradients=max(self.gradients, other.gradients),
            inputs=self.inputs or other.inputs,
            module=self.module or other.module,
            head=self.head or other.head,
            attention=self.attention or other.attention,
            reruns=self.reruns or other.reruns,
            layers=max(self.layers, other.layers, key=_BREADTH.index),
        )
