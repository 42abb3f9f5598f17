"""How raw maps are taken, whatever the method: from which variants of the input, and what is made of weighed channels."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import Field

Reduce = Literal["sum", "principal"]
"""How weighed channels become a map: their sum, or their first principal component."""
Share = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class AugmentConfig:
    """Variants of the input whose raw maps are undone and averaged before the finish: every combination is one pass.

    flip   the mirror image beside the picture itself
    scale  sizes, as shares of the input's own; raw maps are averaged as they are, and those that are shares of a cell, as
           gradients behind pooling are, weigh more where there are fewer cells
    gain   factors of the input's values, as pytorch-grad-cam's ``aug_smooth`` has them
    noise  standard deviation of normal noise, in units of the model's input
    draws  noisy copies of each
    """

    flip: bool = False
    scale: Annotated[tuple[Share, ...], Field(min_length=1)] = (1.0,)
    gain: Annotated[tuple[Share, ...], Field(min_length=1)] = (1.0,)
    noise: Annotated[float, Field(ge=0)] = 0.0
    draws: Annotated[int, Field(ge=1)] = 1

    def __post_init__(self) -> None:
        if self.draws > 1 and not self.noise:
            raise ValueError(f"draws: expected 1 without noise, got {self.draws}; add noise: 0.1")

    def __bool__(self) -> bool:
        return self != AugmentConfig()

    @property
    def count(self) -> int:
        """Passes that take the place of one."""
        return (1 + self.flip) * len(self.scale) * len(self.gain) * self.draws

    @property
    def has_clean(self) -> bool:
        """Whether one of them is the pass on the inputs as they are, which is made anyhow."""
        return not self.noise and 1.0 in self.scale and 1.0 in self.gain

    def plain(self) -> dict[str, Any]:
        """As YAML would say it: only what is stated."""
        stated = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in stated.items()
            if value != getattr(AugmentConfig, key)
        }


UNCHANGED = AugmentConfig()
"""The inputs as they are."""


@dataclass(frozen=True)
class Aggregation:
    """How a label's raw maps are taken, whatever its method."""

    augment: AugmentConfig = UNCHANGED
    reduce: Reduce = "sum"

    def __bool__(self) -> bool:
        return self != Aggregation()

    def plain(self) -> dict[str, Any]:
        """As YAML would say it: only what is stated."""
        said: dict[str, Any] = {"augment": self.augment.plain()} if self.augment else {}
        return said if self.reduce == "sum" else {**said, "reduce": self.reduce}


PLAIN = Aggregation()
"""From the inputs as they are, by a sum."""
