"""One class by its index, the same for every sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from xaikit import ClassIndex, PinnedClasses, class_indices, class_logits, hookimpl


@dataclass(frozen=True)
class Logit:
    """``target: 243`` is ``{use: logit, index: 243}``, ``target: tench`` the class of that name, where no target has it.

    index  the class: from 0, or its name
    """

    index: ClassIndex

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"index": 2},)

    plural: ClassVar[bool] = False

    def pin(self, output: Tensor, labels: Tensor | None) -> PinnedClasses:
        """The logit of the class. Raises ConfigError where the model has no such class."""
        logits = class_logits(output, "logit")
        indices = class_indices([self.index], logits, "logit")
        return PinnedClasses(indices.expand(logits.shape[0], 1))


@hookimpl
def xaikit_target() -> type:
    return Logit
