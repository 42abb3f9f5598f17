"""What formulas that are restated slowly have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def weighted(weights: list[float], a: Array) -> Array:
    """sum_k w_k A_k, by loops: weights of (C, *S) to (*S)."""
    saliency = np.zeros(a.shape[1:])
    for k, weight in enumerate(weights):
        for ij in np.ndindex(a[k].shape):
            saliency[ij] += weight * a[k][ij]
    return saliency
