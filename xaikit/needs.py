"""What a method asks of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import or_
from typing import Literal

LayerNeed = Literal["none", "input", "one", "all"]
_BREADTH: tuple[LayerNeed, ...] = ("none", "input", "one", "all")
"""A union that has attention or biases is "all", as one of its parts is."""


@dataclass(frozen=True, slots=True)
class LinearRule:
    """How a linear layer z = W x + b hands the relevance of its outputs on to its inputs, by layer-wise relevance propagation.

    Below, s_j = R_j / d_j, where d_j is the sum of all that is shared, with ``epsilon`` of its sign added; + and - stand for the
    positive and the negative part.

    share    "epsilon": R_i = x_i sum_j w_ij s_j (Bach et al. 2015, doi:10.1371/journal.pone.0130140, Eq. 58)
             "gamma": the same with w + gamma w+ where x and z have one sign, and likewise with w- where they have not
             "alphabeta": ``alpha`` times the share of the positive products x w less ``beta`` times that of the negative ones
             (Eq. 60); z-plus is alpha 1 and beta 0
             "box": R_i = sum_j (x_i w_ij - low w_ij+ - high w_ij-) s_j (Montavon et al. 2017, arXiv:1512.02479, Eq. 17)
             "flat": every input has the same share
             "wsquare": R_i = sum_j w_ij^2 s_j
    """

    share: Literal["epsilon", "gamma", "alphabeta", "box", "flat", "wsquare"] = "epsilon"
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 1.0
    beta: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if self.share == "alphabeta" and abs(self.alpha - self.beta - 1) > 1e-9:
            raise ValueError(f"alpha: expected beta + 1, so that relevance is kept, got {self.alpha} and {self.beta}")

    def __str__(self) -> str:
        return self.share


@dataclass(frozen=True, slots=True)
class Backward:
    """The rules of a backward pass whose gradients, times the activations, are relevance: they sum to the score, but for what
    biases add.

    The forward is the model's own. What is linear has its gradient, the scale of a normalization is taken for a constant, and an
    operation that no rule is for is an error.

    attention    "constant": what a softmax gives is a weight; "split": a product of matrices halves between its two sides, and
                 the softmax has its derivative
    activation   "gate": f(x) = (f(x) / x) x, the bracket taken for a constant, and so is a sigmoid that something is multiplied
                 by; "derivative": the ordinary one
    product      of two values that depend on the layer. "half": each has half; "gate": what an activation function gives is
                 a constant; None: there is no rule for it
    dense        of ``nn.Linear``; None: its gradient. A batch normalization in evaluation behind it is a part of it
    convolution  of convolutions, likewise
    first        of the layers that are given the model's input, whatever they are; None: as of others
    relu         "guided": what is positive of the gradient that a ReLU lets through (Springenberg et al. 2015); "positive": what
                 is positive of any gradient (Zeiler and Fergus 2014). With either all else has its ordinary derivative, whatever
                 the other rules are, and what comes of it is no relevance; None: the ordinary derivative

    >>> Backward(attention="split") == Backward(attention="split", activation="gate")
    True
    """

    attention: Literal["constant", "split"] = "constant"
    activation: Literal["gate", "derivative"] = "gate"
    product: Literal["half", "gate"] | None = None
    dense: LinearRule | None = None
    convolution: LinearRule | None = None
    first: LinearRule | None = None
    relu: Literal["guided", "positive"] | None = None

    def __post_init__(self) -> None:
        for name in ("dense", "convolution"):
            rule = getattr(self, name)
            if rule is not None and rule.share in ("box", "flat", "wsquare"):
                raise ValueError(
                    f'{name}: expected a share that is a part of x, got "{rule.share}", which is for the first layer'
                )

    def __str__(self) -> str:
        """As cards say it.

        >>> print(Backward(product="half", dense=LinearRule("gamma")))
        (attention constant, activation gate, product half, dense gamma)
        >>> print(Backward(relu="guided"))
        (relu guided)
        """
        if self.relu is not None:
            return f"(relu {self.relu})"
        stated = ((item.name, getattr(self, item.name)) for item in fields(self))
        return f"({', '.join(f'{name} {value}' for name, value in stated if value is not None)})"

    @property
    def inside(self) -> Backward:
        """The rules behind the first layer."""
        return replace(self, first=None)


@dataclass(frozen=True, slots=True)
class Needs:
    """The evidence that a method reads; the union over methods is what a pass records.

    gradients  0 none, 1 the first derivative of the score at the tap, 2 also Hessian products
    inputs     the model's inputs, as the model received them
    module     the model itself, read-only
    backward   with gradients=1: the rules that the gradients are taken by, in a backward pass that methods of the same rules
               share; None: the ordinary ones
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
    backward: Backward | None = None
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

        if self.backward is not None and (self.gradients != 1 or self.layers not in ("one", "input")):
            raise ValueError(
                f'backward: expected gradients=1 and layers "one" or "input" beside it, got {self.gradients} and "{self.layers}"'
            )

    @property
    def uses_target(self) -> bool:
        """Whether a target plays a part."""
        return self.scores or bool(self.gradients)

    def __or__(self, other: Needs) -> Needs:
        # rules are of one method, and no part of what several need together
        names = [item.name for item in fields(self) if item.name not in ("backward", "layers")]
        most = {name: max(getattr(self, name), getattr(other, name)) for name in names}
        return Needs(**most, layers=max(self.layers, other.layers, key=_BREADTH.index))


def union(needs: Iterable[Needs]) -> Needs:
    """What all of them ask for together; the scores only if one of them does."""
    return reduce(or_, needs, Needs(scores=False, layers="none"))
