"""DiFull: what a map puts on photographs that cannot have mattered (Rao et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy
from xaikit_metrics._boxes import check_space
from xaikit_metrics._cellwise import differs, disconnect
from xaikit_metrics._mosaic import cell, mosaic
from xaikit_metrics._objects import energy


@dataclass(frozen=True)
class DiFull:
    """The photograph is the first cell of a mosaic with others that the model is sure of, and a copy of the model sees the
    cells apart: each convolution and pooling works on one at a time, and the score is that of the first. What of the positive
    map lies on that cell, a share of all of it: what lies elsewhere is wrong for certain, as it had no part in the score.

    The seam between cells, half a place of the map on either side, does not count: resizing mixes the cells there. Chance is
    the share of what counts that is the cell's.

    Cost: 1 explanation, side^2 times as large.
    Fails: the model has to be of convolutions and pooling; that the copy answers for the first cell as the model does for the
    photograph alone is checked, and where it does not (attention, places that are moved about) there is no value. Further
    inputs of a model stay as they are: one that is a picture as well is taken for a mosaic, and that check finds it.
    Peers: the authors train a classifier for each cell; here the model's own is asked of one, for any network.

    side        photographs along each side
    confidence  the probability of the explained class, from which on a photograph has a value
    reads       which map of the mosaic is looked at
    """

    side: int = 2
    confidence: float = 0.5
    reads: Policy = "rectified"

    needs: ClassVar[MetricNeeds] = MetricNeeds(model=True, photographs=True)
    family: ClassVar[str] = "localisation"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    equation: ClassVar[str] = "sum_(i in cell) m_i / sum_i m_i, m >= 0, of a mosaic whose cells are disconnected"
    citation: ClassVar[str] = "Rao, Boehle, Schiele 2022, arXiv:2205.10435, section 3.1"

    def __post_init__(self) -> None:
        if self.side < 2:
            raise ValueError(f"side: expected 2 or more, got {self.side}")

    @property
    def explanations(self) -> int:
        """That of the mosaic."""
        return 1

    def chance(self, view: MetricView) -> Tensor:
        """The cell's share of what counts."""
        counts, first = self._places(view)
        return ((counts & first).sum() / counts.sum()).expand(view.shape[:2])

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share; NaN where the model is not sure of the explained class, or its cells cannot be told apart."""
        check_space(view.shape[2:], "difull")
        tiles = torch.cat([view.image.unsqueeze(1), view.others(self.side**2 - 1)], 1)
        inputs, model = mosaic(tiles, self.side), view.copied_model()
        try:
            alone = view.output_of(model, view.image)
            disconnect(model, self.side)
            mixed = differs(view.output_of(model, inputs), alone).unsqueeze(1)
        except Exception as error:  # a model is anybody's code: it may take one size alone
            nowhere = torch.ones(view.shape[:2], dtype=torch.bool)
            reason = f"the model does not take a mosaic: {type(error).__name__}: {error}"
            view.undefined(reason, nowhere)
            return torch.full(view.shape[:2], torch.nan)
        view.undefined("the copy on the mosaic does not answer as the model does for the photograph alone", mixed)
        unsure = ~(view.probability >= self.confidence)
        view.undefined(f"the probability of the explained class is below {self.confidence}", unsure)
        counts, first = self._places(view)
        share = energy(view.explain_with(model, inputs), first & counts, counts)
        return share.masked_fill(unsure | mixed, torch.nan)

    def _places(self, view: MetricView) -> tuple[Tensor, Tensor]:
        """Which places of the mosaic count, and which are of the first cell, (1, 1, H, W) each."""
        space = [size * self.side for size in view.shape[2:]]
        counts = torch.ones(1, 1, *space, dtype=torch.bool, device=view.maps.device)
        for axis, size in enumerate(view.shape[2:]):
            seam = max(size / raw.shape[2 + axis] for raw in view.raws) / 2
            places = torch.arange(space[axis], device=view.maps.device) + 0.5
            borders = torch.arange(1, self.side, device=view.maps.device) * size
            near = ((places[:, None] - borders).abs() < seam).any(1)
            counts &= ~near.reshape(1, 1, *[-1 if at == axis else 1 for at in range(2)])
        return counts, cell(torch.zeros(1, dtype=torch.long, device=view.maps.device), self.side, space)


@hookimpl
def xaikit_metric() -> type:
    return DiFull
