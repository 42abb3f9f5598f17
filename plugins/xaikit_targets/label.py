"""The class that the data says each sample is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import ConfigError, PinnedClasses, class_indices, class_logits, hookimpl


@dataclass(frozen=True)
class Label:
    """One class a sample, from the labels of the data (or from the list of indices given to ``xaikit.explain``)."""

    plural: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = True

    def pin(self, output: Tensor, labels: Tensor | None) -> PinnedClasses:
        """The logit of each sample's own class. Raises ConfigError without labels, or with too few."""
        logits = class_logits(output, "label")
        if labels is None:
            raise ConfigError("target label: the data has no labels; use an imagefolder or a csv with a label column")
        if len(labels) != logits.shape[0]:
            raise ConfigError(f"target: expected {logits.shape[0]} class indices, one a sample, got {len(labels)}")
        return PinnedClasses(class_indices(labels, logits, "label").unsqueeze(1))


@hookimpl
def xaikit_target() -> type:
    return Label
