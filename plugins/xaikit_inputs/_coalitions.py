"""Parts of a photograph that are there or not, and what the score says of each choice of them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Located, Needs
from xaikit.method import at_least, one_of
from xaikit.ops import superpixels
from xaikit.view import View
from xaikit_inputs._baselines import baseline_of, check_baseline, is_file

Segments = Literal["grid", "slic"]


@dataclass(frozen=True)
class Choices:
    """Which parts of a photograph are there, (k, parts) of bool, and how much each choice weighs, (k,)."""

    there: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Coalitions:
    """The options of methods that explain a score by which parts of the photograph are there.

    samples   choices of parts that are scored
    cells     of the grid along each axis
    segments  which parts: grid, its cells; or slic, superpixels by scikit-image, about as many as the grid has cells
    baseline  what stands in a part that is not there: zero, in units of the model; mean, of each channel; blur; uniform, noise in
              the range of each channel; or the file of a picture; in Python also a tensor (C, *S)
    """

    samples: int = 1000
    cells: int = 7
    segments: Segments = "grid"
    baseline: Annotated[str | Tensor, Located(is_file)] = "mean"

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True, layers="none")
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "linear", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def __post_init__(self) -> None:
        at_least("samples", self.samples, 1)
        at_least("cells", self.cells, 2)
        one_of("segments", self.segments, get_args(Segments))
        check_baseline("baseline", self.baseline)

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample, for the plan."""
        return self.samples

    def variants(self) -> Hashable:
        """What the inputs depend on."""
        return type(self).__name__, self.samples, self.cells, self.segments, self.baseline

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        labels = self._labels(view)
        counts = [int(each.max()) + 1 for each in labels]
        choices = self.choices(view, counts, self._most(view.image))
        scores = self._scored(view, labels, choices).cpu().double()
        maps = []
        for label, chosen, score in zip(labels, choices, scores, strict=True):
            values = self.fitted(chosen, score[:, : len(chosen.there)])
            maps.append(values[:, label])
        return torch.stack(maps).to(view.scores)

    def choices(self, view: View, counts: Sequence[int], most: int) -> list[Choices]:
        """Those of each photograph.

        Args:
            counts: of parts that each has.
            most: that any may have, whoever else is explained.
        """
        raise NotImplementedError

    def fitted(self, choices: Choices, scores: Tensor) -> Tensor:
        """What each part counts, (T, parts), by the scores (T, k) of choices."""
        raise NotImplementedError

    def _most(self, image: Tensor) -> int:
        """Parts that a photograph may have."""
        if self.segments == "slic":
            return 4 * int(self.cells ** len(image.shape[2:]))
        return math.prod(min(self.cells, side) for side in image.shape[2:])

    def _labels(self, view: View) -> Tensor:
        """The number of the part of each place, (N, *S) on the CPU; a grid has no more cells along an axis than there are places,
        and superpixels beyond four times as many as were asked for are one."""
        image = view.image
        if self.segments == "slic":
            return superpixels(image, self.cells ** len(image.shape[2:])).clamp(max=self._most(image) - 1)
        space = image.shape[2:]
        labels = torch.zeros(space, dtype=torch.long)
        for axis, side in enumerate(space):
            cells = min(self.cells, side)
            along = torch.arange(side) * cells // side
            labels = labels * cells + along.reshape([-1 if each == axis else 1 for each in range(len(space))])
        return labels.expand(len(image), *space)

    def _scored(self, view: View, labels: Tensor, choices: Sequence[Choices]) -> Tensor:
        """The scores (N, T, k) of the choices of each photograph; those behind its last are of nothing."""
        image = view.image
        baseline = baseline_of(view, image, self.baseline)
        sizes = [max(sizes) for sizes in zip(*(each.there.shape for each in choices), strict=True)]
        there = torch.zeros(len(choices), *sizes, dtype=torch.bool)
        for row, each in enumerate(choices):
            there[row, : each.there.shape[0], : each.there.shape[1]] = each.there
        places = labels.flatten(1).unsqueeze(1).to(image.device)

        def make(part: slice) -> Tensor:
            chosen = there[:, part].to(image.device)
            chosen = chosen.gather(2, places.expand(-1, chosen.shape[1], -1)).reshape(
                *chosen.shape[:2], 1, *image.shape[2:]
            )
            return torch.where(chosen, image.unsqueeze(1), baseline.unsqueeze(1))

        return view.rescore(sizes[0], make)


def solved(design: Tensor, values: Tensor, weights: Tensor, ridge: float = 0.0) -> Tensor:
    """Weighted least squares: design (k, M), values (T, k) and weights (k,) to coefficients (T, M)."""
    weighed = design * weights.unsqueeze(1)
    gram = weighed.mT @ design
    gram = gram + ridge * torch.eye(len(gram), dtype=gram.dtype)
    # by the pseudoinverse: fewer choices than parts leave several answers, of which it takes the smallest
    inverse: Tensor = torch.linalg.pinv(gram, hermitian=True)
    return (inverse @ (weighed.mT @ values.mT)).mT
