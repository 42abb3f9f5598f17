"""Random numbers that depend on the sample alone, and the global ones, lent to code that knows no others."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

process = threading.RLock()
"""Held by who needs the global random numbers for a while."""

warning_filters = threading.Lock()
"""Held by who replaces the filters of Python's warnings for a while: two threads that do undo each other."""


@contextmanager
def global_draws(seed: int | None = None, devices: Iterable[int] = ()) -> Iterator[None]:
    """Torch's global random numbers for code that draws from them; put back afterwards. One thread has them at a time.

    Args:
        seed: of the numbers that are drawn on the CPU; they go on from where they are where there is none.
        devices: CUDA devices whose numbers are put back as well.
    """
    with process, torch.random.fork_rng(devices=devices):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        yield


class SampleGenerator:
    """Random numbers with one stream a sample, drawn on the CPU.

    A sample draws the same numbers whatever batch, device or precision it is explained in.

    Args:
        seeds: one a sample.
        like: a tensor whose device and type the numbers get.
    """

    def __init__(self, seeds: Sequence[int], like: Tensor) -> None:
        self._streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._like = like

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, (N, *shape)."""
        return self._draw(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), (N, *shape)."""
        numbers = self._draw(torch.rand, shape)
        # the nearest number of few digits may be 1
        return numbers.clamp(max=1 - torch.finfo(numbers.dtype).eps / 2)

    def _draw(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        # float64 whatever the model computes in, so that precision does not change what is drawn
        rows = [draw(shape, generator=stream, dtype=torch.float64) for stream in self._streams]
        return torch.stack(rows).to(self._like)


def seeded(purpose: str, samples: Sequence[str], like: Tensor) -> SampleGenerator:
    """Random numbers of one purpose, which seeds them with the sample: a stream a sample."""
    return SampleGenerator([_seed(f"{purpose}|{sample}") for sample in samples], like)


def generator(purpose: str) -> torch.Generator:
    """Random numbers of one purpose, on the CPU, for what is no sample's."""
    return torch.Generator().manual_seed(_seed(purpose))


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
