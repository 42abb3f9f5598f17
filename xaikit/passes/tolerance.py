"""How near another pass has to come to the true numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 3e-2}
"""Of the largest number of the output: what another batch size may change. A tail that is cut in the wrong place is off
by far more."""


def is_close(values: Tensor, expected: Tensor, output: Any) -> bool:
    """Whether values are the true ones up to what another batch size may change.

    Args:
        output: the true one, in whose largest finite magnitude differences are measured: a score may be near zero, or a sum
            over many places of the output.
    """
    if values.shape != expected.shape:
        return False
    near = (values - expected).abs() <= TOLERANCES.get(expected.dtype, 1e-4) * _largest(output, expected)
    return bool(((values == expected) | near | (values.isnan() & expected.isnan())).all())


def _largest(output: Any, scores: Tensor) -> Tensor:
    tensors = [scores, output] if isinstance(output, Tensor) and output.is_floating_point() else [scores]
    return torch.stack([torch.nan_to_num(one, 0.0, 0.0, 0.0).abs().amax().to(scores.dtype) for one in tensors]).amax()
