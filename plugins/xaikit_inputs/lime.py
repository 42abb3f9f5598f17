"""LIME: a linear model of what the score makes of parts of a photograph (Ribeiro et al. 2016, arXiv:1602.04938)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.method import at_least
from xaikit.view import View
from xaikit_inputs._coalitions import Coalitions, solved


@dataclass(frozen=True)
class Lime(Coalitions):
    """w = argmin sum_z pi(z) (y(z) - w_0 - w . z)^2 + ridge |w|^2, pi(z) = exp(-D^2 / width^2), D the cosine distance of z
    from all cells (section 3); L is w of the cell that a place lies in. Each cell is there with probability 1/2.

    Cost: ``samples`` scores a photograph, whatever the number of targets.
    Fails: another seed, kernel or grid makes another map; a cell that is not there is replaced by something.
    Peers: the authors' package segments by quickshift and fits scikit-learn's Ridge; Captum's Lime fits a Lasso.

    width  of the kernel
    ridge  how much large weights cost
    """

    width: float = 0.25
    ridge: float = 1.0

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"samples": 12, "cells": 2},
        {"samples": 12, "cells": 2, "baseline": "uniform"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("ridge", self.ridge, 0)
        if not self.width > 0:
            raise ValueError(f"width: expected a number above 0, got {self.width}")

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        labels = self.labels(tuple(view.shape[2:]))
        choices = view.generator.uniform(self.samples, int(labels.max()) + 1) < 0.5
        scores = self.scored(view, labels, choices).double()
        there = choices.to(scores)
        distance = 1 - there.mean(2).sqrt()  # of 0/1 vectors from all ones
        weights = (-((distance / self.width) ** 2)).exp()
        # without the weighted means no intercept is left, which costs nothing
        share = (weights / weights.sum(1, keepdim=True)).unsqueeze(2)
        centred = there - (share * there).sum(1, keepdim=True)
        values = scores - scores @ share
        slopes = solved(centred, values, weights, self.ridge)
        return slopes[..., labels.to(slopes.device)].to(view.scores.dtype)


@hookimpl
def xaikit_method() -> type:
    return Lime
