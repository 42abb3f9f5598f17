"""The gradient of the score at the input (Simonyan et al. 2014, arXiv:1312.6034)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xaikit import Needs, hookimpl
from xaikit_inputs._gradients import InputGradients


@dataclass(frozen=True)
class Gradient(InputGradients):
    """L = max_c |dy/dx_c|: how much the score changes with each number of the input, the largest of its channels (section 3).

    Cost: one forward and one gradient call down to the input, shared with all other one-pass methods.
    Fails: as noisy as the gradient of a deep network is; it says where a change counts, and not what there is.
    Peers: Captum's Saliency with ``abs`` and a maximum over the channels is this; TorchCAM and pytorch-grad-cam have none.

    channels  max, the number of the largest size, or sum
    absolute  whether sizes count, or signs as well
    """

    needs: ClassVar[Needs] = Needs(gradients=1, layers="input")


@hookimpl
def xaikit_method() -> type:
    return Gradient
