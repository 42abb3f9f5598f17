"""Keep positive evidence only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Relu:
    """max(0, x), as Grad-CAM and most of its kin end."""

    signed: ClassVar[bool] = False
    drops_negative: ClassVar[bool] = True

    def rectify(self, saliency: Tensor) -> Tensor:
        """Any shape; NaN stays NaN."""
        return saliency.clamp_min(0)


@hookimpl
def xaikit_rectifier() -> type:
    return Relu
