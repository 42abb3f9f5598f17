"""The parts of a map that stand out: connected places above a threshold, with their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaikit.errors import ConfigError
from xaikit.pictures.threshold import DEFAULT_THRESHOLD, Keep, Threshold, read_threshold


@dataclass(frozen=True, eq=False)
class Region:
    """A connected part of a map, places that touch at a corner included.

    box     (x0, y0, x1, y1) in pixels of the map, x1 and y1 just outside; of other dimensions likewise, the last axis first
    area    in pixels
    peak    the largest value in it
    mass    its share of all that is positive in the map
    labels  of all regions of the map, int (*S), 0 outside of them
    label   its own among them
    """

    box: tuple[int, ...]
    area: int
    peak: float
    mass: float
    labels: NDArray[np.int32]
    label: int

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where it is, bool (*S); made when it is read, as there may be as many regions as a map has pixels."""
        mask: NDArray[np.bool_] = self.labels == self.label
        return mask

    def __repr__(self) -> str:
        return f"Region(box={self.box}, area={self.area}, peak={self.peak:.3g}, mass={self.mass:.1%})"


def regions(saliency: Any, threshold: Threshold = DEFAULT_THRESHOLD, keep: Keep = "all") -> list[Region]:
    """The connected parts of one map whose values reach a threshold; what is not positive is in none.

    Args:
        saliency: a finished map (*S), a tensor or array.
        threshold: a share of the largest value in (0, 1], as in weakly supervised localization; a percentile of all values,
            as a number above 1 or a text such as "95%"; or "otsu" for N. Otsu, "A Threshold Selection Method from Gray-Level
            Histograms" (1979).
        keep: "all", or the "largest" in area alone.

    Returns:
        The largest area first; nothing of a map that is nowhere positive.

    Raises:
        ConfigError: a map that is not finite, has no axis, or another threshold or choice.

    >>> one, other = regions([[0, 0, 4, 4], [0, 0, 0, 4], [3, 0, 0, 0]], threshold=0.5)
    >>> one.box, one.area, other.box, other.mass
    ((2, 0, 4, 2), 3, (0, 2, 1, 3), 0.2)
    """
    from scipy import ndimage

    values = as_array(saliency)
    check_choices(threshold, keep)
    if values.ndim == 0 or not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        got = f"NaN or infinite values at {count} of {values.size} places" if count else "a single number"
        raise ConfigError(f"regions: expected a finite map (H, W), got {got}")
    if not values.size or values.max() <= 0:
        return []
    above = (values >= _least(values, threshold)) & (values > 0)
    labels, _ = ndimage.label(above, np.ones((3,) * values.ndim))
    if not len(areas := np.bincount(labels.ravel())[1:]):
        return []
    order = [int(areas.argmax())] if keep == "largest" else np.argsort(-areas, kind="stable").tolist()
    sums = np.bincount(labels.ravel(), values.ravel())[1:] / values.clip(min=0).sum()
    peaks, boxes = ndimage.maximum(values, labels, np.arange(1, len(areas) + 1)), ndimage.find_objects(labels)
    return [
        Region(_box(boxes[place]), int(areas[place]), float(peaks[place]), float(sums[place]), labels, place + 1)
        for place in order
    ]


def check_choices(threshold: object, keep: object) -> None:
    """Raises ConfigError where there is no such threshold or choice."""
    read_threshold(threshold)
    if keep not in ("largest", "all"):
        raise ConfigError(f"keep: expected 'largest' or 'all', got {keep!r}")


def as_array(saliency: Any) -> NDArray[np.float64]:
    """A map, a tensor on any device or whatever NumPy takes, in float64. Raises ConfigError where it is not of numbers."""
    try:
        values = saliency.detach().cpu().double().numpy() if hasattr(saliency, "detach") else saliency
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"map: expected numbers (H, W), got {type(saliency).__name__}") from error


def union(parts: Sequence[Region], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where some regions of one map are, bool (*S)."""
    return np.isin(parts[0].labels, [part.label for part in parts]) if parts else np.zeros(shape, dtype=bool)


def _box(slices: tuple[slice, ...]) -> tuple[int, ...]:
    return tuple(side.start for side in slices[::-1]) + tuple(side.stop for side in slices[::-1])


def _least(values: NDArray[np.float64], threshold: Threshold) -> float:
    """The smallest value that stands out."""
    kind, number = read_threshold(threshold)
    if kind == "share":
        return float(number * values.max())
    return float(np.percentile(values, number)) if kind == "percentile" else otsu(values)


def otsu(values: NDArray[np.float64]) -> float:
    """The middle of the bin, of 256, that parts values into the two classes of largest variance between them."""
    counts, edges = np.histogram(values, 256)
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = counts.cumsum()[:-1], (counts * middles).cumsum()
    above = values.size - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(values.min() if values.min() == values.max() else middles[:-1][np.nan_to_num(between).argmax()])
