"""The probability of one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from xaikit import hookimpl
from xaikit_targets._classes import OneClass, PinnedClass, classes_of


@dataclass(frozen=True)
class Softmax(OneClass):
    """s = p_c = exp y_c / sum_i exp y_i.

    Its gradient p_c (dy_c - sum_i p_i dy_i) sets the class against all others, each by its probability.

    Fails: where the model is sure, p_c is 1 to the last digit and the gradient is nothing; ``rest`` and the logit keep one.
    Peers: pytorch-grad-cam's ClassifierOutputSoftmaxTarget.

    of  the class: an index from 0 or its name, top (the highest on the clean pass), or label (the one that the data states)
    """

    def pin(self, output: Any, labels: Tensor | None) -> PinnedProbability:
        """The probability of the class. Raises ConfigError where the model or the data has no such class."""
        return PinnedProbability(classes_of(self.of, output, labels, "softmax")[1])


class PinnedProbability(PinnedClass):
    """The probability of one class a sample."""

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        return self.probabilities(output)


@hookimpl
def xaikit_target() -> type:
    return Softmax
