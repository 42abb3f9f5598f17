"""The logit of one class and its log-probability together (ReST: Cai 2025, arXiv:2501.06261)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from xaikit import hookimpl
from xaikit_targets._classes import OneClass, PinnedClass, classes_of


@dataclass(frozen=True)
class Rest(OneClass):
    """s = y_c + log p_c, the residual softmax target class of Shapley-CAM; p_c is the probability of class c.

    The gradient of the logit plus the gradient of the log-probability, dy_c - sum_i p_i dy_i: evidence for the class,
    and evidence against the others as far as the model believes in them. Unlike that of p_c it never vanishes.

    Peers: pytorch-grad-cam's ClassifierOutputReST from 1.5.7 on; before, it summed the log-probability over the batch.

    of  the class: an index from 0 or its name, top (the highest on the clean pass), or label (the one that the data states)
    """

    def pin(self, output: Any, labels: Tensor | None) -> PinnedRest:
        """Fix the class. Raises ConfigError where the model or the data has no such class."""
        return PinnedRest(classes_of(self.of, output, labels, "rest")[1])


class PinnedRest(PinnedClass):
    """Logit and log-probability of one class a sample."""

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        return self.logits(output) + self.logits(output.log_softmax(1))


@hookimpl
def xaikit_target() -> type:
    return Rest
