"""Maps of photographs nearby: the same method for the same target under a little noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit.metric import MetricNeeds, MetricView, Policy


@dataclass(frozen=True)
class Neighbours:
    """The options of metrics that explain photographs nearby.

    radius  of the uniform noise on each number of the input, in units of the photograph's range
    draws   photographs nearby
    reads   which map is compared
    """

    radius: float = 0.02
    draws: int = 10
    reads: Policy = "raw"

    needs: ClassVar[MetricNeeds] = MetricNeeds(explains=True)
    family: ClassVar[str] = "robustness"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    no_oracle: ClassVar[str] = (
        "a map that never changes, of the photograph or of noise drawn once, is the most robust of all"
    )

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"draws: expected 1 or more, got {self.draws}")
        if self.radius <= 0:
            raise ValueError(f"radius: expected a number above 0, got {self.radius}")

    @property
    def explanations(self) -> int:
        """One a photograph nearby."""
        return self.draws

    def neighbours(self, view: MetricView) -> Iterator[tuple[Tensor, Tensor]]:
        """How far each photograph nearby is, (N, 1), and how far its map, (N, T), both as Euclidean norms."""
        image, noise = view.image, view.stream("neighbours")
        flat = image.flatten(1)
        reach = flat.amax(1) - flat.amin(1)
        view.undefined("the photograph is of one value", (reach == 0).unsqueeze(1).expand(view.shape[:2]))
        radius = (self.radius * reach).reshape(-1, *[1] * (image.dim() - 1))
        for _ in range(self.draws):
            moved = image + radius * (2 * noise.uniform(*image.shape[1:]).to(image) - 1)
            distance = (moved - image).flatten(1).norm(dim=1).masked_fill(reach == 0, math.nan)
            yield distance.unsqueeze(1).to(view.maps), (view.explain(moved) - view.maps).flatten(2).norm(dim=2)
