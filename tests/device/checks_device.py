"""What the device refuses and what makes the host wait: what the other checks rely on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from helpers.devices import DEVICE, waits


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: here + there,
        lambda here, there: torch.cat([there, here]),
        lambda here, there: here[there.argsort()],
        lambda here, there: there.index_select(0, here.argsort()),
        lambda here, there: torch.rand(3, device=there.device, generator=torch.Generator()),
    ],
    ids=["sum", "cat", "index on the device", "index_select", "generator"],
)
def test_mixed_devices_are_an_error(mix: Callable[[Tensor, Tensor], Tensor]) -> None:
    here, there = torch.rand(3), torch.rand(3, device=DEVICE)
    with pytest.raises(RuntimeError):
        mix(here, there)


@pytest.mark.parametrize(
    "read",
    [
        lambda one: one.tolist(),
        lambda one: one.cpu(),
        lambda one: bool(one.any()),
        lambda one: one[one > 0.5],
        lambda one: one.nonzero(),
    ],
    ids=["tolist", "cpu", "bool", "mask", "nonzero"],
)
def test_what_the_host_waits_for(read: Callable[[Tensor], object]) -> None:
    there = torch.rand(3, device=DEVICE)
    with waits() as none:
        there.softmax(0).where(there > 0.5, 0).sum()
    with waits() as some:
        read(there)
    assert (len(none), bool(some)) == (0, True)
