"""The memory format of a pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.hard_nets import Plain, seeded
from xaikit.passes.memory_format import memory_format_for
from xaikit.passes.nests import copied


def patches() -> nn.Module:
    """One convolution alone, as a transformer's patch embedding."""
    return nn.Sequential(nn.Conv2d(2, 4, 4, 4), nn.Flatten(2), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("build", "shape", "dtype", "wanted"),
    [
        (Plain, (4, 2, 8, 8), torch.float32, torch.channels_last),
        (Plain, (4, 2, 8, 8), torch.bfloat16, torch.channels_last),
        (Plain, (3, 2, 8, 8), torch.float32, torch.preserve_format),
        (Plain, (4, 2, 8, 8), torch.float64, torch.preserve_format),
        (Plain, (4, 2, 8), torch.float32, torch.preserve_format),
        (patches, (4, 2, 8, 8), torch.float32, torch.preserve_format),
    ],
)
def test_pictures_are_laid_out_by_a_fixed_rule(
    build: Any, shape: tuple[int, ...], dtype: torch.dtype, wanted: torch.memory_format
) -> None:
    inputs = (torch.zeros(shape, dtype=dtype), torch.zeros(2))
    assert memory_format_for(seeded(build), inputs) == wanted
    made: list[Tensor] = copied(inputs, wanted)
    assert made[0].is_contiguous(memory_format=torch.channels_last) == (wanted == torch.channels_last)
    assert made[1].is_contiguous()
