"""The probability of one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from xaikit import hookimpl
from xaikit_targets._classes import PinnedClass, check_of, classes_of


@dataclass(frozen=True)
class Softmax:
    """s = p_c = exp y_c / sum_i exp y_i.

    Its gradient p_c (dy_c - sum_i p_i dy_i) sets the class against all others, each by its probability.

    Fails: where the model is sure, p_c is 1 to the last digit and the gradient is nothing; ``rest`` and the logit keep one.
    Peers: pytorch-grad-cam's ClassifierOutputSoftmaxTarget.

    of  the class: an index from 0, top (the highest on the clean pass), or label (the one that the data states)
    """

    of: int | Literal["top", "label"] = "top"

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"of": 2}, {"of": "label"})

    plural: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_of(self.of)

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
