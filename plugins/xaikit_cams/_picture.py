"""The input as the controls see it, which look at no layer."""

from __future__ import annotations

import torch
from torch import Tensor

from xaikit import ConfigError


def picture(image: Tensor) -> Tensor:
    """The first input (N, channels, *space) in float32 at least; whole numbers and half precision are raised.

    Raises:
        ConfigError: it has no space to map, as token ids.
    """
    if not 3 <= image.dim() <= 5:
        raise ConfigError(
            f"inputs: expected (samples, channels, *space) with one to three dimensions of space, got "
            f"{tuple(image.shape)}: controls are maps of a picture; leave them out for this model"
        )
    return image.to(torch.promote_types(image.dtype, torch.float32))
