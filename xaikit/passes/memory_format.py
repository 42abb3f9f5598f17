"""The memory format that a pass of a model is fastest in."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, TypeVar
from weakref import WeakSet

import torch
from torch import Tensor, nn

from xaikit.passes.nests import first_tensor

FEWEST_ROWS = 4
"""From this batch size on, convolutional networks run channels_last: below, converting costs more than it gains."""


_STRIDES = "view size is not compatible"


_contiguous_only: WeakSet[nn.Module] = WeakSet()


T = TypeVar("T")


def laid_out(model: nn.Module, inputs: Any, run: Callable[[torch.memory_format], T]) -> T:
    """``run(memory_format)`` in the format that is fastest for this model and these inputs.

    Run once more in the inputs' own format where the forward reads strides (``x.view(n, -1)`` of a map) and refuses the
    faster one; this is remembered for the model.
    """
    wanted = memory_format_for(model, inputs)
    if wanted is torch.preserve_format or model in _contiguous_only:
        return run(torch.preserve_format)
    try:
        return run(wanted)
    except RuntimeError as error:
        if _STRIDES not in str(error):
            raise
    _contiguous_only.add(model)
    return run(torch.preserve_format)


def memory_format_for(model: nn.Module, inputs: Any) -> torch.memory_format:
    """channels_last for at least four pictures in a convolutional network, by rule and never by timing.

    Not in float64, which is for exactness and has no faster kernels there. The model's weights are not converted.
    """
    first = first_tensor(inputs)
    if first.dim() != 4 or len(first) < FEWEST_ROWS or first.dtype == torch.float64:
        return torch.preserve_format
    # one convolution alone is a transformer's patch embedding
    spatial = (m for m in model.modules() if isinstance(m, nn.Conv2d) and max(m.kernel_size) > 1)
    return torch.channels_last if len(list(islice(spatial, 2))) > 1 else torch.preserve_format


def format_of(tensor: Tensor) -> torch.memory_format:
    """What another tensor in its place is laid out in, so that the pass goes on as it began.

    >>> format_of(torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last))
    torch.channels_last
    """
    last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last and not tensor.is_contiguous() else torch.preserve_format
