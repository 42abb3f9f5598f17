"""What the engine does for one view: the further passes that a method asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from torch import Tensor

from xaikit.evidence.attention import Attention

Make = Callable[[slice], Tensor]
"""From a slice of the variants to these: (N, m, ...)."""

V_co = TypeVar("V_co", covariant=True)


class Reruns(Protocol[V_co]):
    """See the methods of :class:`xaikit.view.View` of the same names."""

    def retrace(self, inputs: Any) -> V_co: ...

    def retrace_with(self, activations: Tensor) -> V_co: ...

    def at(self, layer: str) -> V_co: ...

    def gradients_with(self, count: int, make: Make) -> Iterator[Tensor]: ...

    def rescore(self, count: int, make: Make, probabilities: bool) -> Tensor: ...

    def rescore_with(self, count: int, make: Make) -> Tensor: ...

    def hvp(self, vector: Tensor) -> Tensor: ...

    def multipliers(self, start: Tensor | None) -> Tensor: ...

    def picture(self, file: str) -> Tensor: ...

    def head(self) -> Tensor: ...

    def block_attention(self) -> tuple[Attention, ...]: ...
