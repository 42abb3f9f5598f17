"""What targets about a class share: how one is said, and what is pinned of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self

from torch import Tensor

from xaikit import ClassIndex, ConfigError, PinnedClasses, class_indices, class_logits

Of = ClassIndex | Literal["top", "label"]
"""A class, the one that scores highest on the clean pass, or the one that the data states."""


def check_of(of: Of) -> None:
    """Raises ValueError where it says no class."""
    if isinstance(of, bool) or not isinstance(of, (int, str)) or of == "":
        raise ValueError(f"of: expected a class, 'top' or 'label', got {of!r}")


@dataclass(frozen=True)
class OneClass:
    """The options of a target about one class and nothing else."""

    of: Of = "top"

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"of": 2}, {"of": "label"})

    plural: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_of(self.of)

    @property
    def needs_labels(self) -> bool:
        """Whether it is about the class that the data states."""
        return self.of == "label"


def classes_of(of: Of, output: object, labels: Tensor | None, target: str) -> tuple[Tensor, Tensor]:
    """The logits (N, classes) and the index (N, 1) of each sample's class.

    Raises:
        ConfigError: no logits of at least two classes, no such class, or no label of every sample.
    """
    logits = class_logits(output, target)
    if logits.shape[1] < 2:
        raise ConfigError(
            f"target {target}: expected logits of at least two classes, got one; of a one-logit model use binary or raw"
        )
    if of == "top":
        return logits, logits.argmax(1, keepdim=True)
    if of == "label":
        return logits, class_indices(_stated(labels, len(logits), target), logits, target).unsqueeze(1)
    return logits, class_indices([of], logits, target).expand(logits.shape[0], 1)


def _stated(labels: Tensor | None, samples: int, target: str) -> Tensor:
    if labels is None:
        raise ConfigError(f"target {target}: the data has no labels; say of: top or a class index")
    if len(labels) != samples:
        raise ConfigError(f"target {target}: expected {samples} labels, one a sample, got {len(labels)}")
    return labels


def beside(tensor: Tensor, output: Tensor) -> Tensor:
    """What was pinned, on the device of an output; a copy, since autograd saves no tensor made in inference mode."""
    return tensor.to(output.device).clone()


def of_rows(option: Any, index: Tensor) -> Any:
    """Of an option that says something of each sample, what it says of chosen ones; any other as it is."""
    return option[index.to(option.device)] if isinstance(option, Tensor) and len(option) > 1 else option


@dataclass(frozen=True, eq=False)
class PinnedClass(PinnedClasses):
    """One class a sample, (N, 1), of which something else than the logit alone is scored.

    Further fields that are tensors have a row a sample.
    """

    def rows(self, index: Tensor) -> Self:
        """The same of chosen samples."""
        held = {item.name: getattr(self, item.name) for item in fields(self)}
        chosen: dict[str, Any] = {
            name: value[index.to(value.device)] for name, value in held.items() if isinstance(value, Tensor)
        }
        return replace(self, **chosen)
