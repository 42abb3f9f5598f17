"""Parts of a photograph that are there or not, and what the score says of each choice of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from xaikit import Located, Needs
from xaikit.method import at_least
from xaikit.view import View
from xaikit_inputs._baselines import baseline_of, check_baseline, is_file


@dataclass(frozen=True)
class Coalitions:
    """The options of methods that explain a score by which cells of a grid are there.

    samples   choices of cells that are scored
    cells     of the grid along each axis
    baseline  what stands in a cell that is not there: zero, in units of the model; mean, of each channel; blur; uniform, noise in
              the range of each channel; or the file of a picture; in Python also a tensor (C, *S)
    """

    samples: int = 1000
    cells: int = 7
    baseline: Annotated[str | Tensor, Located(is_file)] = "mean"

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True, layers="none")
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "linear", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def __post_init__(self) -> None:
        at_least("samples", self.samples, 1)
        at_least("cells", self.cells, 2)
        check_baseline("baseline", self.baseline)

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample, for the plan."""
        return self.samples

    def variants(self) -> Hashable:
        """What the inputs depend on."""
        return type(self).__name__, self.samples, self.cells, self.baseline

    def labels(self, space: tuple[int, ...]) -> Tensor:
        """The number of the cell of each place, (*space); a grid has no more cells along an axis than there are places."""
        labels = torch.zeros(space, dtype=torch.long)
        for axis, side in enumerate(space):
            cells = min(self.cells, side)
            along = torch.arange(side) * cells // side
            labels = labels * cells + along.reshape([-1 if each == axis else 1 for each in range(len(space))])
        return labels

    def scored(self, view: View, labels: Tensor, choices: Tensor) -> Tensor:
        """The scores (N, T, count) of choices (N, count, cells) of bool."""
        image = view.image
        baseline, labels = baseline_of(view, image, self.baseline), labels.to(image.device)

        def make(part: slice) -> Tensor:
            there = choices[:, part].to(image.device)[:, :, labels].unsqueeze(2)
            return torch.where(there, image.unsqueeze(1), baseline.unsqueeze(1))

        return view.rescore(choices.shape[1], make)


def solved(design: Tensor, values: Tensor, weights: Tensor, ridge: float = 0.0) -> Tensor:
    """Weighted least squares: design (N, count, M), values (N, T, count) and weights (N, count) to coefficients (N, T, M)."""
    weighed = design * weights.unsqueeze(2)
    gram = weighed.mT @ design
    gram = gram + ridge * torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
    # by the pseudoinverse: fewer choices than cells leave several answers, of which it takes the smallest
    inverse: Tensor = torch.linalg.pinv(gram, hermitian=True)
    return (inverse @ (weighed.mT @ values.mT)).mT
