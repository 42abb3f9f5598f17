"""LIME: a linear model of what the score makes of parts of a photograph (Ribeiro et al. 2016, arXiv:1602.04938)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from xaikit import ConfigError, hookimpl
from xaikit.method import at_least
from xaikit.view import View
from xaikit_inputs._coalitions import Choices, Coalitions, solved


@dataclass(frozen=True)
class Lime(Coalitions):
    """w = argmin sum_z pi(z) (y(z) - w_0 - w . z)^2 + ridge |w|^2, pi(z) = exp(-D^2 / width^2), D the cosine distance of z
    from all parts (section 3); L is w of the part that a place lies in. Each part is there with probability 1/2.

    Cost: ``samples`` scores a photograph, whatever the number of targets.
    Fails: another seed, kernel or division makes another map; a part that is not there is replaced by something.
    Peers: the authors' package segments by quickshift and fits scikit-learn's Ridge; Captum's Lime fits a Lasso.

    width  of the kernel
    ridge  how much large weights cost
    """

    width: float = 0.25
    ridge: float = 1.0

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"samples": 12, "cells": 2},
        {"samples": 12, "cells": 2, "baseline": "uniform"},
        {"samples": 12, "cells": 2, "segments": "slic"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("ridge", self.ridge, 0)
        if not self.width > 0:
            raise ValueError(f"width: expected a number above 0, got {self.width}")

    def choices(self, view: View, counts: Sequence[int], most: int) -> list[Choices]:
        """Those of each photograph."""
        drawn = (view.generator.uniform(self.samples, most) < 0.5).cpu()
        there = [each[:, :count] for each, count in zip(drawn, counts, strict=True)]
        distances = [1 - each.double().mean(1).sqrt() for each in there]  # of 0/1 vectors from all ones
        weights = [self._weights(each) for each in distances]
        return [Choices(*each) for each in zip(there, weights, strict=True)]

    def _weights(self, distances: Tensor) -> Tensor:
        weights: Tensor = (-((distances / self.width) ** 2)).exp()
        if weights.sum() < torch.finfo(weights.dtype).tiny:
            raise ConfigError(
                f"width: expected a kernel that reaches some choice of parts, got {self.width}, by which exp(-D^2 / width^2) is "
                f"0 for all of them, the nearest at D = {float(distances.min()):.2g}; take a larger one"
            )
        return weights

    def fitted(self, choices: Choices, scores: Tensor) -> Tensor:
        """The weights of the parts, (T, parts)."""
        there, weights = choices.there.double(), choices.weights
        # without the weighted means no intercept is left, which costs nothing
        share = (weights / weights.sum()).unsqueeze(1)
        return solved(there - (share * there).sum(0), scores - scores @ share, weights, self.ridge)


@hookimpl
def xaikit_method() -> type:
    return Lime
