"""RISE: random masks, each counted by what the model says of what it leaves (Petsiuk et al. 2018, arXiv:1806.07421)."""

from __future__ import annotations

from dataclasses import dataclass

from xaikit import hookimpl
from xaikit_inputs._random_masks import RandomMasks


@dataclass(frozen=True)
class Rise(RandomMasks):
    """L = 1 / (p N) sum_i p_c(x * M_i) M_i (Eq. 6): masks are grids of cells that are there with the probability p, upsampled
    linearly and cut out at a random offset of less than a cell.

    Expected over the masks it is, for a score that adds up what it sees, that share of each place times 1 - p, and the same
    everywhere else: only differences between places say something.

    Cost: ``masks`` scores a photograph, whatever the number of targets and labels.
    Fails: with few masks it is noise; for what a cell is larger than.
    Peers: the authors' code. Captum, TorchCAM and pytorch-grad-cam have none.

    masks  how many
    cells  of the grid along each axis
    share  p, of the cells that are there
    """


@hookimpl
def xaikit_method() -> type:
    return Rise
