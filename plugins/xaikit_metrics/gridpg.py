"""Grid pointing game: which cell of a mosaic of photographs a map lies on (Boehle et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy
from xaikit_metrics._boxes import check_space
from xaikit_metrics._mosaic import cell, mosaic, shrunk
from xaikit_metrics._objects import energy


@dataclass(frozen=True)
class GridPointing:
    """The photograph is put into a mosaic with others that the model is sure of, each of another class, and explained again:
    what of the positive map lies on its cell, a share of all of it. No annotation is needed. Chance is 1 / side^2.

    The cell and the other photographs are drawn by the seed, the same for all methods. A map of the mosaic that is positive
    nowhere is taken as an equal one.

    Cost: 1 explanation, side^2 times as large a one at ``size: full``.
    Fails: a mosaic is nothing that the model was trained on, and at ``size: input`` its cells are small; where another
    photograph shows something of the explained class as well, its share is held against the map.
    Peers: the authors' mosaics are of the full size, of photographs of a probability of .99; a map without anything positive is
    0 there.

    side        photographs along each side
    size        input: shrunk to the size of the model's input; full: side times as large, where the model takes that
    confidence  the probability of the explained class, from which on a photograph has a value
    reads       which map of the mosaic is looked at
    """

    side: int = 2
    size: Literal["input", "full"] = "input"
    confidence: float = 0.5
    reads: Policy = "rectified"

    needs: ClassVar[MetricNeeds] = MetricNeeds(explains=True, photographs=True)
    family: ClassVar[str] = "localisation"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    equation: ClassVar[str] = "sum_(i in cell) m_i / sum_i m_i, m >= 0, of the mosaic"
    citation: ClassVar[str] = (
        "Boehle, Fritz, Schiele 2021, arXiv:2104.00032, section 4; Rao et al. 2022, arXiv:2205.10435"
    )

    def __post_init__(self) -> None:
        if self.side < 2:
            raise ValueError(f"side: expected 2 or more, got {self.side}")

    @property
    def explanations(self) -> int:
        """That of the mosaic."""
        return 1

    @property
    def chance(self) -> float:
        """A cell's share of the mosaic."""
        return 1 / self.side**2

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share; NaN where the model is not sure of the explained class."""
        check_space(view.shape[2:], "gridpg")
        place = (view.stream("grid").uniform(1)[:, 0] * self.side**2).long().clamp(max=self.side**2 - 1)
        inputs = mosaic(_placed(view.image, view.others(self.side**2 - 1), place), self.side)
        maps = view.explain(shrunk(inputs, view.shape[2:]) if self.size == "input" else inputs)
        unsure = ~(view.probability >= self.confidence)
        view.undefined(f"the probability of the explained class is below {self.confidence}", unsure)
        return energy(maps, cell(place, self.side, maps.shape[2:])).masked_fill(unsure, torch.nan)


def _placed(image: Tensor, others: Tensor, place: Tensor) -> Tensor:
    """The photographs of each mosaic, (N, count, C, H, W), its own at a place (N,) among the others."""
    tiles = torch.cat([image.unsqueeze(1), others], 1)
    numbers = torch.arange(tiles.shape[1], device=image.device).expand(len(image), -1)
    order = torch.where(numbers == place[:, None], 0, torch.where(numbers < place[:, None], numbers + 1, numbers))
    return tiles.gather(1, order[:, :, None, None, None].expand_as(tiles))


@hookimpl
def xaikit_metric() -> type:
    return GridPointing
