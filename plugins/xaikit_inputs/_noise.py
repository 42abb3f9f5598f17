"""Gradients at noisy inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from torch import Tensor

from xaikit import Needs
from xaikit.method import at_least, one_of
from xaikit.view import View
from xaikit_inputs._channels import Channels


@dataclass(frozen=True)
class Noisy:
    """The options of methods that look at gradients under noise.

    n         noisy inputs
    noise     the deviation of the noise, as a share of the range of the photograph
    channels  max, the largest over the channels, or sum
    """

    n: int = 50
    noise: float = 0.15
    channels: Channels = "max"

    needs: ClassVar[Needs] = Needs(gradients=1, replays=True, layers="input")
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "per_sample", "scale_free"})
    examples: ClassVar[tuple[dict[str, int], ...]] = ({"n": 2},)

    def __post_init__(self) -> None:
        at_least("n", self.n, 1)
        at_least("noise", self.noise, 0)
        one_of("channels", self.channels, get_args(Channels))

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return self.n

    def gradients(self, view: View) -> Iterator[Tensor]:
        """Of each noisy input, (N, T, C, *S)."""
        image = view.activations.squeeze(1)
        flat = image.flatten(1)
        sigma = self.noise * (flat.amax(1) - flat.amin(1)).reshape(-1, *[1] * (image.dim() - 1))

        def make(part: slice) -> Tensor:
            # one by one, as many at once would be other numbers
            noisy = [sigma * view.generator.normal(*image.shape[1:]).to(image) for _ in range(part.stop - part.start)]
            return image.unsqueeze(1) + torch.stack(noisy, 1)

        return view.gradients_with(self.n, make)
