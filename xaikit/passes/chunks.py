"""How many variants are in memory at once: from a fixed budget, halved where memory runs out all the same."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BUDGET = 256 * 2**20
"""Bytes, the same on every machine, so that a chunk is the same size wherever a run goes on."""


MOST_ROWS = 32


ROOM = 27
"""Activations of a network that are alive at once, in units of its input."""


def rows_of_inputs(row: Tensor) -> int:
    """How many inputs such as this one (one sample's) go through the whole model at once."""
    return max(1, min(MOST_ROWS, BUDGET // (ROOM * _bytes(row))))


def rows_of_activations(row: Tensor) -> int:
    """How many activations such as these (one sample's) go through the tail at once."""
    return max(1, BUDGET // _bytes(row))


def _bytes(row: Tensor) -> int:
    return max(1, row.numel() * row.element_size())


def in_chunks(count: int, size: int, work: Callable[[slice], Tensor], halved: Callable[[int], None]) -> list[Tensor]:
    """``work(slice)`` over range(count), ``size`` at a time.

    Where memory runs out the chunk is halved, ``halved(size)`` is told the new size, and the work goes on; what is
    done stays done. A chunk of one that does not fit raises.
    """
    parts: list[Tensor] = []
    start = 0
    while start < count:
        stop = min(start + size, count)
        part = _attempt(work, slice(start, stop))
        if part is not None:
            parts.append(part)
            start = stop
            continue
        size = (stop - start + 1) // 2
        halved(size)
    return parts


def _attempt(work: Callable[[slice], Tensor], part: slice) -> Tensor | None:
    """None where memory ran out; by then the error is gone, and with it all that its frames held."""
    try:
        return work(part)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or part.stop - part.start == 1:
            raise
    return None


_OF_ALLOCATORS = ("can't allocate memory", "could not create a primitive")  # oneDNN calls it that


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    is_allocator = isinstance(error, RuntimeError) and any(text in str(error) for text in _OF_ALLOCATORS)
    return is_allocator or isinstance(error, (torch.OutOfMemoryError, MemoryError))
