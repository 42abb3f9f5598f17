"""Numbers of one photograph by one trial that need no further pass: from its record and its maps as they are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from xaikit.report.record import Record

MEASURES: Mapping[str, str] = {
    "score": "the explained number, as the model returned it",
    "probability": "softmax of the predicted class, in [0, 1]",
    "area": "share of places above half of the map's maximum, in (0, 1]",
    "gini": "sparseness of the map: 0 where all places are equal, near 1 where one has everything",
    "positive": "share of positive evidence in the raw maps, mean over layers, in [0, 1]",
}
"""The measures, in order, with what they say."""


OF_RAW = frozenset({"positive"})
"""Those that read the raw maps."""


OF_FUSED = frozenset({"area", "gini"})
"""Those that read the finished and fused map."""


Floats = NDArray[np.float64]


def measures(record: Record, raws: Mapping[str, Tensor], fused: Tensor | None) -> dict[str, float]:
    """Every measure of :data:`MEASURES` for one record; NaN where it is not defined.

    Args:
        record: whose ``column`` picks the map.
        raws: raw signed maps (T, *S) by layer, as they are kept. Where only positive values are kept (``report.maps:
            uint8``) ``positive`` is 1.
        fused: the finished map (T, *S); None where the finish does not fuse.
    """
    saliency = None if fused is None else np.maximum(_floats(fused[record.column]), 0)
    return {
        "score": record.score,
        "probability": math.nan if record.probability is None else record.probability,
        "area": math.nan if saliency is None else area(saliency),
        "gini": math.nan if saliency is None else gini(saliency),
        "positive": positive(_floats(raw[record.column]) for raw in raws.values()),
    }


def area(saliency: Floats) -> float:
    """The share of places above half of the maximum; NaN where the map has no positive value or is not finite."""
    return float(np.mean(saliency > saliency.max() / 2)) if _is_alive(saliency) else math.nan


def gini(saliency: Floats) -> float:
    """The Gini index of a map that is nowhere negative; NaN where it is zero or not finite.

    1 - 2 sum_k c_(k) / |c|_1 (n - k + 1/2) / n over the n values in ascending order (Hurley & Rickard 2009, Comparing
    Measures of Sparsity, IEEE Trans. Inf. Theory 55(10)): 0 where all are equal, 1 - 1 / n where one has everything.
    """
    if not _is_alive(saliency):
        return math.nan
    shares = np.sort(saliency, axis=None) / saliency.max()
    weights = (np.arange(shares.size, 0, -1) - 0.5) / shares.size
    return max(0.0, float(1 - 2 * (shares @ weights) / shares.sum()))


def positive(maps: Iterable[Floats]) -> float:
    """sum max(x, 0) / sum |x| of raw maps, mean over these; NaN where one is zero, not finite, or there is none."""
    shares = [_positive(raw) for raw in maps]
    return sum(shares) / len(shares) if shares else math.nan


def _positive(raw: Floats) -> float:
    if not _is_alive(np.abs(raw)):
        return math.nan
    unit = raw / np.abs(raw).max()
    return float(np.maximum(unit, 0).sum() / np.abs(unit).sum())


def _is_alive(saliency: Floats) -> bool:
    largest = saliency.max(initial=0)
    return bool(np.isfinite(largest) and largest > 0)


def _floats(values: Tensor) -> Floats:
    return values.detach().double().cpu().numpy()
