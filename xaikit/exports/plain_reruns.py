"""What a method is given that may ask the engine for nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from torch import Tensor

from xaikit.errors import ConfigError


@dataclass(frozen=True)
class PlainReruns:
    """Further passes of a method that makes none: see :class:`xaikit.view.Reruns`.

    weights  of the linear classifier for the explained scores, (N, T, C), where the method reads them
    """

    use: str
    weights: Tensor | None = None

    def head(self) -> Tensor:
        """The weights of the classifier."""
        return self.refuse() if self.weights is None else self.weights

    def draw(self) -> NoReturn:
        """Raises ConfigError: the numbers would be the same for every picture."""
        raise ConfigError(f"export: expected a method that draws no random numbers, got {self.use}")

    def refuse(self, *args: Any) -> NoReturn:
        """Raises ConfigError."""
        raise ConfigError(f"export: expected a method of one plain forward, got {self.use}, which makes further passes")

    at = retrace = retrace_with = gradients_with = rescore = rescore_with = refuse
    hvp = multipliers = picture = block_attention = refuse
