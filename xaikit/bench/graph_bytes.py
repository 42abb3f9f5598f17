"""The memory of a backward: what a graph keeps of the forward until gradients are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class GraphBytes:
    """What graphs have kept so far, weights and what they share memory with left out."""

    count: int = 0
    _seen: set[int] = field(default_factory=set)

    def add(self, tensor: Tensor) -> None:
        """Count the memory of a tensor once."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen.add(storage._cdata)
            self.count += storage.nbytes()


@contextmanager
def counted_graphs(weights: Iterable[Tensor]) -> Iterator[GraphBytes]:
    """Count what the graphs keep that are made in the block."""
    kept = GraphBytes(_seen={weight.untyped_storage()._cdata for weight in weights})

    def pack(tensor: Tensor) -> tuple[Tensor, int]:
        kept.add(tensor)
        # detached, as what a node returns would keep the node alive that keeps it
        return tensor.detach(), tensor._version

    def unpack(packed: tuple[Tensor, int]) -> Tensor:
        tensor, version = packed
        if tensor._version != version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation"
            )
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield kept
