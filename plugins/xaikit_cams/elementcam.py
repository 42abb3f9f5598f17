"""Grad-CAM element-wise: positive products of gradient and activation (pytorch-grad-cam's GradCAMElementWise)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class ElementCAM:
    """L = sum_k relu(dy/dA_k * A_k), element by element.

    As in pytorch-grad-cam, whose threads name Pillai and Pirsiavash 2021 (AAAI) as its source; that was not verified.
    Where activations are not negative it is LayerCAM; where they are, a negative activation under a negative gradient
    counts here and not there.

    Cost: one forward and one gradient call of what lies behind the layer, shared with all other one-pass methods.
    Fails: as LayerCAM: what speaks against the class is dropped, so that at the last layer other classes show as well.
    Peers: equal to pytorch-grad-cam's before its finish. TorchCAM and Captum have none.
    """

    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def explain(self, view: View) -> Tensor:
        """The map (N, T, *S), never negative."""
        return combine((view.gradients * view.activations).relu_(), view)


@hookimpl
def xaikit_method() -> type:
    return ElementCAM
