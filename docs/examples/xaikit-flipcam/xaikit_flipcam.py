"""Flip-CAM: Grad-CAM averaged with that of the mirrored input (after Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import pool, weigh
from xaikit.view import View


@dataclass(frozen=True)
class FlipCAM:
    """L = (1 - weight) G(x) + weight F(G(F(x))): G is Grad-CAM before its ReLU, F mirrors the last axis.

    The target is the one pinned on the picture as it is. Costs one further pass.

    weight  share of the mirrored map, in [0, 1]; 0.5 is the plain average
    """

    weight: float = 0.5

    needs: ClassVar[Needs] = Needs(gradients=1, inputs=True, reruns=True)
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}
    traits: ClassVar[tuple[str, ...]] = ("per_sample", "class_specific", "linear", "scale_free", "deterministic")

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight: expected a number in [0, 1], got {self.weight}")

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return 1

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        mirrored = view.retrace(view.inputs_with(view.image.flip(-1)))
        return (1 - self.weight) * _gradcam(view) + self.weight * _gradcam(mirrored).flip(-1)


def _gradcam(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@hookimpl
def xaikit_method() -> type:
    return FlipCAM
