"""DeepLIFT by the Rescale rule (Shrikumar et al. 2017, arXiv:1704.02685)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import Tensor

from xaikit import Located, Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View
from xaikit_inputs._baselines import baseline_of, check_baseline, is_file, is_uniform


@dataclass(frozen=True)
class DeepLift:
    """L = sum_c m_c (x_c - x'_c), where m are the multipliers against a baseline x': the gradient of what is linear, and
    (out - out') / (in - in') at an activation (their Eq. 10), its derivative where the two are equal. At max pooling, for which
    they state no rule, the difference of the maxima is that of one place, where the larger maximum of both passes is.

    It sums to y(x) - y(x'), which is checked. Where two things that depend on the input are multiplied or divided (gates such as
    squeeze and excitation, attention, layer normalization, a softmax in the target) the model is refused by name, as one
    multiplier a value is not defined there.

    Cost: two forwards and one gradient call.
    Fails: what is as the baseline gets nothing, so that another baseline makes another map.
    Peers: Captum's DeepLift, for networks built of modules; it takes the gradient where a function is called instead of a module,
        as at GELU, SiLU and ReLU6, and loses the sum where windows of max pooling overlap.

    baseline  zero, in units of the model; mean, of each channel; blur; uniform, noise in the range of each channel; or the
              file of a picture; in Python also a tensor (C, *S)
    """

    baseline: Annotated[str | Tensor, Located(is_file)] = "zero"

    needs: ClassVar[Needs] = Needs(replays=True, layers="input")
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "quantile"}
    examples: ClassVar[tuple[dict[str, str], ...]] = ({"baseline": "mean"}, {"baseline": "uniform"})

    def __post_init__(self) -> None:
        check_baseline("baseline", self.baseline)

    @property
    def draws(self) -> bool:
        """Whether the seed matters."""
        return is_uniform(self.baseline)

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return 2

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        image = view.activations.squeeze(1)
        baseline = baseline_of(view, image, self.baseline)
        return combine(view.multipliers(baseline) * (image - baseline).unsqueeze(1), view)


@hookimpl
def xaikit_method() -> type:
    return DeepLift
