"""The device that the checks of ``tests/device`` run on: what ``XAIKIT_DEVICE`` names, as virt, cuda or mps; else the CPU."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from helpers import virtual_device
from xaikit.passes.nests import mapped

CLASSES = 5
NAME = os.environ.get("XAIKIT_DEVICE", "cpu")
IS_VIRTUAL = NAME == virtual_device.NAME
# before the first gradient: torch counts its devices then
DEVICE = virtual_device.register() if IS_VIRTUAL else torch.device(NAME)


def moved(value: Any) -> Any:
    """A model, of which a copy is moved, or nested tensors, on the device."""
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).to(DEVICE)
    return mapped(lambda tensor: tensor.to(DEVICE), value)


@contextmanager
def waits() -> Iterator[list[str]]:
    """What made the host wait in the block, known behind it; on a CPU nothing does."""
    if IS_VIRTUAL:
        with virtual_device.counted() as names:
            yield names
    elif DEVICE.type == "cuda":
        with _waits_of_cuda() as names:
            yield names
    else:
        yield []


@contextmanager
def _waits_of_cuda() -> Iterator[list[str]]:
    names: list[str] = []
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield names
        finally:
            torch.cuda.set_sync_debug_mode(mode)
            names += [f"{each.filename}:{each.lineno}" for each in caught if "synchroniz" in str(each.message)]


def agree(one: Tensor, other: Tensor) -> bool:
    """Whether a tensor on the device is one on the CPU: to the bit where both are computed by the same kernels."""
    if one.device.type != DEVICE.type:
        return False
    one = one.cpu()
    if IS_VIRTUAL or NAME == "cpu":
        return torch.equal(one.nan_to_num(7.5), other.nan_to_num(7.5))
    scale = float(other.abs().nan_to_num().amax())
    return torch.allclose(one, other, rtol=1e-4, atol=1e-4 * max(scale, 1e-6), equal_nan=True)


def cnn() -> nn.Module:
    """Two convolutions with batch normalization, ``stem`` and ``body``, of pictures (N, 3, 32, 32)."""
    return _seeded(
        stem=nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU()),
        body=nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()),
        pool=nn.AdaptiveAvgPool2d(1),
        flat=nn.Flatten(),
        head=nn.Linear(8, CLASSES),
    )


def _seeded(**modules: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential()
    for name, module in modules.items():
        net.add_module(name, module)
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.4)
    return net.eval()


def pictures(samples: int = 3, size: int = 32) -> Tensor:
    """Normal numbers, (N, 3, size, size)."""
    return torch.randn(samples, 3, size, size, generator=torch.Generator().manual_seed(1))
