"""DeconvNet: what is positive goes back through ReLUs, whatever came forward (Zeiler and Fergus 2014, arXiv:1311.2901)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xaikit import Backward, Needs, hookimpl
from xaikit_inputs._gradients import InputGradients


@dataclass(frozen=True)
class Deconvnet(InputGradients):
    """L = max_c |r_c|, where r is the gradient of a backward that takes R_in = [R_out > 0] R_out at every ReLU (section 2.1).

    Cost: one forward and one gradient call down to the input, shared with methods of the same rule.
    Fails: the randomisation test, as guided backpropagation does: with max pooling it shows the edges of the photograph,
        without it hardly more than what the weights look like (Nie et al. 2018, arXiv:1805.07039), nearly the same for every
        class. A network without ReLUs (or ReLU6) is refused.
    Peers: Captum's Deconvolution before the maximum, for ReLUs that are modules; a function's it passes over.
    """

    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward(relu="positive"), layers="input")


@hookimpl
def xaikit_method() -> type:
    return Deconvnet
