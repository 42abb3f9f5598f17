"""What a view hands on to the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from xaikit.attending import Attention

if TYPE_CHECKING:
    from xaikit.view import View

Make = Callable[[slice], Tensor]


class Further(Protocol):
    """The further passes that the engine makes for one view; see the methods of :class:`View` of the same names."""

    def retrace(self, inputs: Any) -> View: ...

    def retrace_with(self, activations: Tensor) -> View: ...

    def rescore(self, count: int, make: Make, probabilities: bool) -> Tensor: ...

    def rescore_with(self, count: int, make: Make) -> Tensor: ...

    def hvp(self, vector: Tensor) -> Tensor: ...

    def multipliers(self) -> Tensor: ...

    def head(self) -> Tensor: ...

    def own_attention(self) -> tuple[Attention, ...]: ...
