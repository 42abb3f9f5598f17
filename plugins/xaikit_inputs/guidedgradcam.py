"""Guided Grad-CAM: guided backpropagation where Grad-CAM is positive (Selvaraju et al. 2017, arXiv:1610.02391, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import interpolate

from xaikit import Backward, ConfigError, Needs, hookimpl
from xaikit.ops import MODES, pool, weigh
from xaikit.view import View
from xaikit_inputs._channels import reduced
from xaikit_inputs._gradients import InputGradients


@dataclass(frozen=True)
class GuidedGradCAM(InputGradients):
    """L = max_c |r_c U(relu(sum_k mean(g_k) A_k))|, where r is guided backpropagation's gradient at the input and U upsamples
    Grad-CAM linearly to it.

    Cost: two forwards and two gradient calls; with ``layer: auto`` a few passes of one photograph for each batch.
    Fails: the randomisation test, in what Grad-CAM lets through (Adebayo et al. 2018, arXiv:1810.03292): its fine structure is
        that of guided backpropagation, nearly the same for every class. A network without ReLUs (or ReLU6) is refused.
    Peers: Captum's GuidedGradCam with ``interpolate_mode="bilinear"``, before the maximum.

    layer  of Grad-CAM, by name; auto finds the last map on the way to the score
    """

    layer: str = "auto"

    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward(relu="guided"), reruns=True, layers="input")

    # where Grad-CAM is positive nowhere all of it is zero, whatever the score is multiplied by
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample"})
    examples: ClassVar[tuple[dict[str, str], ...]] = ({"layer": "conv"},)

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return 1

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        inner = view.at(self.layer)
        cam = weigh(pool(inner.gradients, inner), inner).clamp_min(0)
        space = view.shape[2:]
        if len(space) not in MODES or cam.dim() != len(view.shape):
            raise ConfigError(
                f"guidedgradcam: expected maps of as many axes as the input has, 1 to 3, got {cam.dim() - 2}"
            )
        large = interpolate(cam, space, mode=MODES[len(space)], align_corners=False)
        return reduced(view.gradients * large.unsqueeze(2), self.channels, self.absolute)


@hookimpl
def xaikit_method() -> type:
    return GuidedGradCAM
