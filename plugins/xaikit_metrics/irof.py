"""IROF: the score while whole segments are removed, the most influential first (Rieger and Hansen 2020)."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Literal

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView, Policy
from xaikit.ops import superpixels
from xaikit_metrics._blocks import Blocks
from xaikit_metrics._imputers import Imputer
from xaikit_metrics._occlusion import at_least_one
from xaikit_metrics._removal import Removal, area
from xaikit_metrics._scores import divisor


@dataclass(frozen=True)
class Irof(Removal):
    """The area over the curve of s / s(x) while segments of the photograph are removed, those of the highest mean first.

    The curve is kept as ``most_first``, the number of segments as ``segments``.

    Cost: steps scores, and superpixels for each photograph.
    Fails: where the segments do not follow the object, it judges the segmentation.
    Peers: Quantus takes logits as they come, of which the quotient means nothing below 0, and superpixels of what the model is
    given; here they are of the same, in units of its range.

    block     pixels a side, of a grid
    segments  slic, superpixels by scikit-image; grid, blocks; auto, superpixels where scikit-image is installed and the space has
              two or three dimensions, else a grid
    count     of superpixels, about
    """

    imputer: Imputer = "mean"
    reads: Policy = "raw"
    segments: Literal["auto", "slic", "grid"] = "auto"
    count: int = 100

    equation: ClassVar[str] = "IROF = AOC of s(x without the k highest segments) / s(x) over k"
    citation: ClassVar[str] = "Rieger, Hansen 2020, arXiv:2003.08747"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    examples: ClassVar[tuple[dict[str, object], ...]] = ({"segments": "grid"},)
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "count")

    @property
    def range(self) -> tuple[float, float]:
        """Up to all of the score; a logit can lose more."""
        return -math.inf, 1.0 if self.scored == "probability" else math.inf

    @property
    def further(self) -> int:
        """Scores of the curve but its first."""
        return self.steps

    @property
    def division(self) -> Hashable:
        """The superpixels, or the blocks."""
        return self.segments, self.count, self.block

    def blocks(self, view: MetricView) -> Blocks:
        """The segments of each photograph."""
        installed = find_spec("skimage") is not None
        if self.segments == "grid" or (self.segments == "auto" and not (installed and view.image.dim() in (4, 5))):
            return super().blocks(view)
        of = superpixels(view.image, self.count).to(view.image.device)
        return Blocks(of, int(of.max()) + 1)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share of s(x); NaN where that is not above 0."""
        curve = self.curve(view, most_first=True)
        view.keep("most_first", curve)
        view.keep("segments", self.blocks(view).present.sum(1).expand(len(curve)).unsqueeze(1))
        return 1 - area(curve) / divisor(view, self.scored)


@hookimpl
def xaikit_metric() -> type:
    return Irof
