"""SmoothGrad: the mean gradient under noise (Smilkov et al. 2017, arXiv:1706.03825)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.view import View
from xaikit_inputs._channels import reduced
from xaikit_inputs._noise import Noisy


@dataclass(frozen=True)
class SmoothGrad(Noisy):
    """L = max_c |1/n sum_i dy/dx_c(x + e_i)|, e_i normal with a deviation that is a share of the photograph's range (section 3).

    Cost: n forwards and gradient calls of the whole model.
    Fails: noise is another input than what is explained; with more of it edges of the photograph go as well.
    Peers: Captum's NoiseTunnel over Saliency, whose deviation is absolute and whose numbers come from the global generator;
        with ``abs`` it takes the size before the mean, here it is taken after it, as the authors' code does.

    squared   the mean of squares in place of the mean (SmoothGrad-Squared, Hooker et al. 2019, arXiv:1806.10758)
    absolute  whether the size of the mean counts, or its sign as well
    """

    squared: bool = False
    absolute: bool = True

    paper: ClassVar[dict[str, str]] = {"rectify": "abs", "normalize": "quantile"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        terms = (each.square() if self.squared else each for each in self.gradients(view))
        total = next(terms).clone()
        for each in terms:
            total += each
        return reduced(total / self.n, self.channels, self.absolute)


@hookimpl
def xaikit_method() -> type:
    return SmoothGrad
