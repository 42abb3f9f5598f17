"""Several classes by their indices, each with its own map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from xaikit import ClassIndex, PinnedClasses, class_indices, class_logits, hookimpl


@dataclass(frozen=True)
class Classes:
    """The same classes for every sample.

    of  class indices, from 0, or names, in the order of the maps
    """

    of: tuple[ClassIndex, ...]

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"of": (2, 0)},)

    def __post_init__(self) -> None:
        if not self.of:
            raise ValueError("of: expected at least one class index, got none")

    @property
    def count(self) -> int:
        """How many scores a sample, for the plan."""
        return len(self.of)

    def pin(self, output: Tensor, labels: Tensor | None) -> PinnedClasses:
        """The logits of the classes. Raises ConfigError where the model has no such class."""
        logits = class_logits(output, "classes")
        indices = class_indices(self.of, logits, "classes")
        return PinnedClasses(indices.expand(logits.shape[0], len(self.of)), plural=True)


@hookimpl
def xaikit_target() -> type:
    return Classes
