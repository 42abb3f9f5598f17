"""The log-probability of the class that the data states, as the published runs explain it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from xaikit import PinnedClasses, class_logits


@dataclass(frozen=True)
class LogSoftmax:
    """s = log p_c."""

    needs_labels: ClassVar[bool] = True
    plural: ClassVar[bool] = False

    def pin(self, output: Any, labels: Tensor | None) -> PinnedClasses:
        """The class of each sample."""
        assert labels is not None
        class_logits(output, "log_softmax")
        return PinnedLogProbability(labels.unsqueeze(1))


class PinnedLogProbability(PinnedClasses):
    """The log-probability of one class a sample."""

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        return self.logits(output.log_softmax(1))

    def rows(self, index: Tensor) -> PinnedLogProbability:
        """The same of chosen samples."""
        return PinnedLogProbability(self.indices[index.to(self.indices.device)])
