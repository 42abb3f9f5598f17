"""LayerCAM: positive gradients times activations, place by place (Jiang et al. 2021, doi:10.1109/TIP.2021.3089943)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class LayerCAM:
    """L = relu(sum_k relu(dy/dA_k) * A_k), element by element, Eq. 6 to 8.

    Shallow layers (the paper: VGG's first three stages, a stride of at most 4) are scaled by tanh(2 L / max L), Eq.
    9, and layers are fused by the element-wise maximum.

    Cost: one forward and one gradient call of what lies behind the layer, shared with all other one-pass methods.
    Fails: what speaks against the class is dropped, so that at the last layer it tells classes apart much worse than
        Grad-CAM. Before a stride or a max-pooling the gradient, and so the map, has a grid in it: take the layer
        beside it.
    Peers: TorchCAM has the same map of a layer; it applies the tanh whenever layers are fused, to deep ones as well, and
        never to one alone. pytorch-grad-cam has no tanh and fuses by the mean. Captum has none.
    """

    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, Any]] = {
        "rectify": "relu",
        "normalize": "max",
        "scale": {"use": "tanh", "gamma": 2.0, "max_stride": 4},
        "fuse": "max",
    }

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        return combine(view.gradients.clamp_min(0) * view.activations, view)


@hookimpl
def xaikit_method() -> type:
    return LayerCAM
