"""CAM: channels weighed by the linear classifier (Zhou et al. 2016, arXiv:1512.04150)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View


@dataclass(frozen=True)
class CAM:
    """L_c = sum_k W_ck A_k, Eq. 2; W is the weight of the linear layer behind the average over all places.

    The mean of L_c is the score less the bias (Eq. 1 with a mean for its sum), so that the map says to the last digit
    what each place gave: nothing is rectified, and what speaks against the class is negative. Where there is more than
    an average between layer and classifier no such W exists, and it is refused; Grad-CAM is CAM over the number of
    places where both apply, and applies elsewhere too.

    Cost: one forward and no gradient; the cheapest method that knows the class.
    Fails: nowhere on what it claims; but what it claims holds of the last layer alone, whose places see the whole
        picture: a place need not be what is drawn there.
    Peers: equal to TorchCAM's, which does not ask whether the layer is averaged and weighs any with as many channels.
        pytorch-grad-cam and Captum have none.
    """

    needs: ClassVar[Needs] = Needs(head=True)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return weigh(view.head, view)


@hookimpl
def xaikit_method() -> type:
    return CAM
