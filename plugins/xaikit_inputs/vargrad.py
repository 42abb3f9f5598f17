"""VarGrad: the variance of the gradient under noise (Adebayo et al. 2018, arXiv:1810.03307)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.method import at_least
from xaikit.view import View
from xaikit_inputs._channels import reduced
from xaikit_inputs._noise import Noisy


@dataclass(frozen=True)
class VarGrad(Noisy):
    """L = max_c 1/n sum_i (g_ic - mean g_c)^2, where g_i is dy/dx at x + e_i, e_i normal noise.

    It is independent of the gradient itself (Seo et al. 2018, arXiv:1806.03000): what is the same under noise plays no part.

    Cost: n forwards and gradient calls of the whole model.
    Fails: it shows where the gradient is unstable, which need not be where the class is.
    Peers: Captum's NoiseTunnel with ``vargrad``, whose noise is absolute.
    """

    paper: ClassVar[dict[str, str]] = {"rectify": "abs", "normalize": "quantile"}

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("n", self.n, 2)

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        mean, squares = torch.zeros_like(view.gradients), torch.zeros_like(view.gradients)
        # Welford 1962: no difference of large numbers
        for count, each in enumerate(self.gradients(view), 1):
            apart = each - mean
            mean += apart / count
            squares += apart * (each - mean)
        return reduced(squares / self.n, self.channels, absolute=False)


@hookimpl
def xaikit_method() -> type:
    return VarGrad
