"""How far one class is ahead of its strongest rival."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit_targets._classes import OneClass, PinnedClass, beside, classes_of


@dataclass(frozen=True)
class Margin(OneClass):
    """s = y_c - y_r; the rival r is the highest logit but c on the clean pass, and stays the rival later.

    What turns the decision: the score is negative where c does not win.

    Fails: two classes for the same thing (laptop, notebook) share their evidence, and little of it is left.
    Peers: none has it; it is Finer-CAM's score for one reference class and alpha 1, chosen by rank and not by nearness.

    of  the class: an index from 0 or its name, top (the highest on the clean pass), or label (the one that the data states)
    """

    def pin(self, output: Any, labels: Tensor | None) -> PinnedMargin:
        """Fix the class and its rival. Raises ConfigError where the model or the data has no such class."""
        logits, indices = classes_of(self.of, output, labels, "margin")
        others = logits.detach().scatter(1, indices, -torch.inf)
        return PinnedMargin(indices, rivals=others.argmax(1, keepdim=True))


@dataclass(frozen=True, eq=False)
class PinnedMargin(PinnedClass):
    """One class and its rival a sample, both (N, 1)."""

    rivals: Tensor = field(kw_only=True)

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        return self.logits(output) - output.gather(1, beside(self.rivals, output))


@hookimpl
def xaikit_target() -> type:
    return Margin
