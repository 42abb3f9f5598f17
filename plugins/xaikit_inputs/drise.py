"""D-RISE: random masks, each counted by how like the detection is what it leaves (Petsiuk et al. 2021, arXiv:2006.03204)."""

from __future__ import annotations

from dataclasses import dataclass

from xaikit import hookimpl
from xaikit_inputs._random_masks import RandomMasks


@dataclass(frozen=True)
class DRise(RandomMasks):
    """L = 1 / (p N) sum_i s_i M_i (their section 3.2, up to the factor), s_i = max_j IoU(b_j, b) cos(P_j, P) O_j (Eq. 3-6).

    Of target ``box``: j are the detections in the picture behind the mask M_i, b_j, P_j and O_j their box, class
    probabilities and objectness, b and P those of the detection to explain. Where a detector tells one label and a score,
    the cosine is 1 or 0 and the score stands for the objectness. Masks are those of RISE. Any detector will do: no gradient
    is asked for, and all boxes of a picture share the passes.

    Cost: ``masks`` scores a photograph, whatever the number of boxes and labels.
    Fails: with few masks it is noise; for what a cell is larger than; a detector that suppresses what it is unsure of is
        silent behind most masks: lower its threshold. Of a target that is no box it is ``rise``.
    Peers: the authors' code, xaitk-saliency's DRISEStack, and vision-explanation-methods, which spreads what a score lacks
        to 1 over the other classes. Captum, TorchCAM and pytorch-grad-cam have none.

    masks  how many
    cells  of the grid along each axis
    share  p, of the cells that are there
    """

    masks: int = 5000
    cells: int = 16


@hookimpl
def xaikit_method() -> type:
    return DRise
