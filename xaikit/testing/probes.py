"""Methods of the kit's own, to stand beside the one that is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit.needs import Needs
from xaikit.ops import pool, weigh
from xaikit.view import View


@dataclass(frozen=True)
class Pooled:
    """Grad-CAM: sees any change of activations or gradients."""

    needs: ClassVar[Needs] = Needs(gradients=1)

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return weigh(pool(view.gradients, view), view)
