"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

from torch import Tensor

from xaikit import Located, Needs, hookimpl
from xaikit.method import at_least, one_of
from xaikit.ops import combine, integrated, quadrature
from xaikit.view import View
from xaikit_inputs._baselines import baseline_of, check_baseline, is_file, is_uniform

Quadrature = Literal["gauss", "midpoint"]


@dataclass(frozen=True)
class IntegratedGradients:
    """L = sum_c (x_c - x'_c) * mean_s dy/dx_c(x' + s (x - x')), Eq. 1, on the straight way from a baseline x'.

    Completeness (their Prop. 1): the map sums to y(x) - y(x'), as exactly as the steps allow. What is missing is in the
    explanation as ``numbers["residual"]``, and above 1 % of y(x) - y(x') the sample is remarked on.

    Cost: ``steps`` + 1 forwards and gradient calls of the whole model.
    Fails: what is as the baseline gets nothing, so that another baseline makes another map; gradients on the way are of inputs
        that no camera takes.
    Peers: Captum's IntegratedGradients has the same points (gausslegendre), and others; what is missing it says if asked.

    baseline    zero, in units of the model; mean, of each channel; blur; uniform, noise in the range of each channel; or the
                file of a picture; in Python also a tensor (C, *S)
    steps       points on the way
    quadrature  gauss: Gauss and Legendre's points
                midpoint: s = (i + 1/2) / steps, of equal weight
    """

    baseline: Annotated[str | Tensor, Located(is_file)] = "zero"
    steps: int = 50
    quadrature: Quadrature = "gauss"

    needs: ClassVar[Needs] = Needs(gradients=1, replays=True, layers="input")
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "quantile"}
    examples: ClassVar[tuple[dict[str, int | str], ...]] = (
        {"steps": 2},
        {"baseline": "blur", "steps": 2},
        {"baseline": "mean", "steps": 2},
        {"baseline": "uniform", "steps": 2},
    )

    def __post_init__(self) -> None:
        check_baseline("baseline", self.baseline)
        at_least("steps", self.steps, 1)
        one_of("quadrature", self.quadrature, get_args(Quadrature))

    @property
    def draws(self) -> bool:
        """Whether the seed matters."""
        return is_uniform(self.baseline)

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return self.steps + 1

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        baseline = baseline_of(view, view.activations.squeeze(1), self.baseline)
        return combine(integrated(view, baseline, quadrature(self.quadrature, self.steps)), view)


@hookimpl
def xaikit_method() -> type:
    return IntegratedGradients
