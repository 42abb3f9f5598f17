"""Random-CAM: channels weighed by chance, a control and no paper's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View


@dataclass(frozen=True)
class RandomCAM:
    """w_k ~ U(-1, 1) for every sample and channel, and L = sum_k w_k A_k. No paper: a control.

    A method that is worth its name does better than this. The map has the layer's grain and its places of strong
    activation, and knows nothing else. Weights are drawn from the seed and the sample's id, so that a map comes again
    whatever batch, device or precision it is made in.

    Cost: one forward that stops at the layer (under 1 F); no gradient.
    Fails: always, which is its purpose. Below a ReLU, where activations are not negative, it still finds objects more
        often than a uniform map does.
    Peers: pytorch-grad-cam draws from NumPy's global state, another map on every call, and asks for gradients that it
        reads nothing from but the shape. TorchCAM and Captum have none.
    """

    needs: ClassVar[Needs] = Needs(scores=False)
    control: ClassVar[bool] = True
    traits: ClassVar[frozenset[str]] = frozenset({"per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *S), before the ReLU."""
        channels = view.activations.shape[view.channel]
        return weigh((2 * view.generator.uniform(1, channels) - 1).to(view.activations), view)


@hookimpl
def xaikit_method() -> type:
    return RandomCAM
