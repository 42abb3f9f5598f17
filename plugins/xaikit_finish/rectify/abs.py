"""Keep evidence of either sign, by its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Abs:
    """|x|."""

    signed: ClassVar[bool] = False
    drops_negative: ClassVar[bool] = False

    def rectify(self, saliency: Tensor) -> Tensor:
        """Any shape."""
        return saliency.abs()


@hookimpl
def xaikit_rectifier() -> type:
    return Abs
