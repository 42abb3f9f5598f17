"""A number of the output as it is, as in regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from xaikit import ConfigError, class_indices, hookimpl
from xaikit.targets import described


@dataclass(frozen=True)
class Raw:
    """s = output, of a model with one output a sample, (N,) or (N, 1); or s = output_index of one with several, (N, K).

    Peers: pytorch-grad-cam's RawScoresOutputTarget, which leaves it to the caller that there is one number a sample.

    index  which of several, from 0
    """

    index: int | None = None

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"index": 0},)

    plural: ClassVar[bool] = False

    @staticmethod
    def example_output(seed: int) -> Tensor:
        """One number a sample."""
        return torch.randn(4, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def pin(self, output: Any, labels: Tensor | None) -> PinnedNumber:
        """Fix the place. Raises ConfigError where the output has no such number, or several and none is chosen."""
        if not isinstance(output, Tensor) or output.dim() not in (1, 2) or not output.is_floating_point():
            raise ConfigError(
                f"target raw: expected numbers (N,), (N, 1) or (N, K), got {described(output)}; "
                "choose a part of the output with model.output"
            )
        columns = output if output.dim() == 2 else output.unsqueeze(1)
        if self.index is None:
            if columns.shape[1] != 1:
                raise ConfigError(f"target raw: expected one number a sample, got {columns.shape[1]}; say index")
            return PinnedNumber(0)
        class_indices([self.index], columns, "raw")
        return PinnedNumber(self.index)


@dataclass(frozen=True)
class PinnedNumber:
    """One column of the output."""

    index: int
    plural: ClassVar[bool] = False

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        columns = output if output.dim() == 2 else output.unsqueeze(1)
        return columns[:, self.index : self.index + 1]

    def __str__(self) -> str:
        return f"output {self.index}"

    def rows(self, index: Tensor) -> PinnedNumber:
        """Itself: every sample is scored alike."""
        return self


@hookimpl
def xaikit_target() -> type:
    return Raw
