"""One of the two classes of a model with one logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from xaikit import ConfigError, hookimpl
from xaikit.targets import described


@dataclass(frozen=True)
class Binary:
    """s = y for the positive class and s = -y for the negative one, of a model with one logit, (N,) or (N, 1).

    Without ``positive`` it is the class that the clean pass predicts, positive where y >= 0, and stays so later. A map
    for the negative class is the map of the positive one with its sign turned, for a linear method.

    Peers: pytorch-grad-cam's BinaryClassifierOutputTarget, to which the class must be given.

    positive  true or false: which class; left out (null): the predicted one
    """

    positive: bool | None = None

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"positive": True}, {"positive": False})

    plural: ClassVar[bool] = False

    @staticmethod
    def example_output(seed: int) -> Tensor:
        """One logit a sample."""
        return torch.randn(4, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def pin(self, output: Any, labels: Tensor | None) -> PinnedSide:
        """Fix the class. Raises ConfigError where the output is not one logit a sample."""
        is_number = isinstance(output, Tensor) and output.is_floating_point() and output.dim() in (1, 2)
        if not is_number or output[0].numel() != 1:
            raise ConfigError(
                f"target binary: expected one logit a sample, (N,) or (N, 1), got {described(output)}; "
                "choose a part of the output with model.output, or one of several classes with logit"
            )
        logits = output.detach().reshape(-1, 1)
        predicted = logits >= 0
        return PinnedSide(predicted if self.positive is None else torch.full_like(predicted, self.positive))


@dataclass(frozen=True, eq=False)
class PinnedSide:
    """Whether it is the positive class, (N, 1)."""

    positive: Tensor
    plural: ClassVar[bool] = False

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        logits = output.reshape(-1, 1)
        # a product with a sign, which stays linear to those who look at the operations
        return logits * torch.where(self.positive, 1, -1).to(logits)

    def __str__(self) -> str:
        sides = dict.fromkeys("positive" if positive else "negative" for (positive,) in self.positive.tolist())
        return f"the {' or '.join(sides)} class"

    def probabilities(self, output: Tensor) -> Tensor:
        """The probability of the class, (N, 1)."""
        return self.scores(output).sigmoid()

    def rows(self, index: Tensor) -> PinnedSide:
        """The classes of chosen samples."""
        return PinnedSide(self.positive[index.to(self.positive.device)])


@hookimpl
def xaikit_target() -> type:
    return Binary
