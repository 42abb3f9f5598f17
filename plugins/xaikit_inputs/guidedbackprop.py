"""Guided backpropagation: ReLUs let positive gradients alone through (Springenberg et al. 2015, arXiv:1412.6806)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xaikit import Backward, Needs, hookimpl
from xaikit_inputs._gradients import InputGradients


@dataclass(frozen=True)
class GuidedBackprop(InputGradients):
    """L = max_c |r_c|, where r is the gradient of a backward that takes R_in = [x > 0] [R_out > 0] R_out at every ReLU (section
    3.4).

    Cost: one forward and one gradient call down to the input, shared with methods of the same rule.
    Fails: the randomisation test: it shows the edges of the photograph whatever the weights behind the first layers are
        (Adebayo et al. 2018, arXiv:1810.03292), nearly the same for every class (Nie et al. 2018, arXiv:1805.07039). A sharp
        map is not a faithful one. A network without ReLUs (or ReLU6) is refused.
    Peers: Captum's GuidedBackprop before the maximum, for ReLUs that are modules; a function's it passes over.
    """

    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward(relu="guided"), layers="input")


@hookimpl
def xaikit_method() -> type:
    return GuidedBackprop
