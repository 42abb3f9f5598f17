"""The k classes that the model itself scores highest."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from xaikit import ConfigError, PinnedClasses, class_logits, hookimpl
from xaikit.targets import described
from xaikit_targets._suited import suited


@dataclass(frozen=True)
class Top:
    """``top1`` is ``{use: top, k: 1}``; with k > 1 every class has its own map.

    k  how many classes, the highest first
    """

    k: int = 1

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: expected at least 1, got {self.k}")

    @property
    def plural(self) -> bool:
        """Whether results keep an axis of targets."""
        return self.k > 1

    @property
    def count(self) -> int:
        """How many scores a sample, for the plan."""
        return self.k

    def pin(self, output: Tensor, labels: Tensor | None) -> PinnedClasses:
        """The k highest classes of every sample, on the clean pass. Raises ConfigError if there are fewer than k, or none to
        choose from, with the target that suits another output."""
        advice = suited(output)
        if advice and isinstance(output, Tensor) and output.dim() == 2:
            raise ConfigError(f"target top: expected logits of two classes or more, got {described(output)}; {advice}")
        try:
            logits = class_logits(output, "top")
        except ConfigError as error:
            raise ConfigError(f"{error}; {advice}" if advice else str(error)) from error
        if self.k > logits.shape[1]:
            raise ConfigError(f"target top: expected k of at most {logits.shape[1]} classes, got {self.k}")
        return PinnedClasses(logits.topk(self.k, dim=1).indices, plural=self.plural)


@hookimpl
def xaikit_target() -> type:
    return Top
