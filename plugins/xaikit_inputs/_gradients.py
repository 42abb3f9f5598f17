"""What methods share that show the gradients at the input, by whichever rules these are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from torch import Tensor

from xaikit.method import one_of
from xaikit.view import View
from xaikit_inputs._channels import Channels, reduced


@dataclass(frozen=True)
class InputGradients:
    """One number of the gradients a place.

    channels  max, the number of the largest size, or sum
    absolute  whether sizes count, or signs as well
    """

    channels: Channels = "max"
    absolute: bool = True

    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "abs", "normalize": "quantile"}

    def __post_init__(self) -> None:
        one_of("channels", self.channels, get_args(Channels))

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return reduced(view.gradients, self.channels, self.absolute)
