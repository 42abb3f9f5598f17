"""What is explained: the protocols, and the two pinned targets that come with the core.

A target is *pinned* once, on the clean pass: classes chosen there are scored in every later pass, so that a masked or
noisy re-run never explains another class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from xaikit.errors import ConfigError, XaikitError


class Pinned(Protocol):
    """A target fixed on the clean pass.

    plural  whether results keep an axis T behind the batch; a singular target has T = 1 and the axis is dropped
    """

    @property
    def plural(self) -> bool: ...

    # a field ``spatial = True`` says that the score is of certain places of the picture: a mask, a box, a unit of a map

    def scores(self, output: Any) -> Tensor:
        """The scalars to explain, (N, T), differentiable, of any pass on the same samples."""

    def rows(self, index: Tensor) -> Pinned:
        """The same target for chosen samples, which may repeat: ``index`` (M,) of their rows. May be left out: then
        variants are scored one at a time."""


class Target(Protocol):
    """The class behind a plugin of ``xaikit.targets``: a frozen dataclass whose fields are its options.

    A property ``count`` may tell the plan how many scores a sample has; 1 without it. ``plural = False`` says before
    any pass that results have no axis of targets, so that the forward may stop early where no score is needed. With a
    field ``layer``, the name of a module, it is pinned and scored on what that module returns, not on the model's output.
    ``needs_labels = True``, which may be a property that depends on the options, says that it is of the class that the data
    states: only then are the labels of the data read, and its results are computed again where a label has changed.
    """

    def pin(self, output: Any, labels: Tensor | None) -> Pinned:
        """Fix the target.

        Args:
            output: of the clean pass, as the config's ``model.output`` selects it; logits (N, classes) as a rule.
            labels: class indices (N,) where the data has them, else None.

        Raises:
            ConfigError: the target does not fit this output or needs labels.
        """


def needs_labels(target: Target) -> bool:
    """Whether a target is of the class that the data states; where it says nothing, it is not."""
    return bool(getattr(target, "needs_labels", False))


@dataclass(frozen=True, eq=False)
class PinnedClasses:
    """The logits of chosen classes: ``indices`` (N, T), one row a sample."""

    indices: Tensor
    plural: bool = False

    def scores(self, output: Tensor) -> Tensor:
        """The chosen logits, (N, T)."""
        # a copy, as indices made in inference mode cannot be saved for the gradient
        return output.gather(1, self.indices.to(output.device).clone())

    def __str__(self) -> str:
        """The classes, a row a sample where they differ."""
        rows = dict.fromkeys(tuple(row) for row in self.indices.tolist())
        return " or ".join("class " + ", ".join(map(str, row)) for row in rows)

    def probabilities(self, output: Tensor) -> Tensor:
        """The softmax probabilities of the chosen classes, (N, T)."""
        return self.scores(output.softmax(1))

    def rows(self, index: Tensor) -> PinnedClasses:
        """The classes of chosen samples."""
        return PinnedClasses(self.indices[index.to(self.indices.device)], self.plural)


@dataclass(frozen=True, eq=False)
class PinnedFunction:
    """A function of the output, called on every pass."""

    function: Callable[[Any], Tensor]
    count: int
    plural: bool = False

    def scores(self, output: Any) -> Tensor:
        """What the function returns, as (N, T)."""
        return _columns(self.function(output), self.function, self.count)

    def __str__(self) -> str:
        return _name(self.function)

    def rows(self, index: Tensor) -> PinnedFunction:
        """The same function, of another number of samples."""
        return PinnedFunction(self.function, len(index), self.plural)


@dataclass(frozen=True)
class FunctionTarget:
    """A callable as a target: ``function(output) -> (N,)``, or ``(N, T)`` for a plural one."""

    function: Callable[[Any], Tensor]

    def pin(self, output: Any, labels: Tensor | None) -> Pinned:
        """FunctionTarget it once to learn how many scores it gives. Raises ConfigError if these are not (N,) or (N, T)."""
        scores = self.function(output)
        if not isinstance(scores, Tensor) or scores.dim() not in (1, 2):
            got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
            raise ConfigError(f"target {_name(self.function)}: expected scores of shape (N,) or (N, T), got {got}")
        if isinstance(output, Tensor) and len(scores) != len(output):
            raise ConfigError(
                f"target {_name(self.function)}: expected scores of {len(output)} samples, got {len(scores)}"
            )
        return PinnedFunction(self.function, scores.shape[0], plural=scores.dim() == 2)


def _columns(scores: Tensor, function: Callable[[Any], Tensor], count: int) -> Tensor:
    if scores.shape[0] != count:
        raise XaikitError(
            f"target {_name(function)}: expected {count} samples, got scores of shape {tuple(scores.shape)}"
        )
    return scores if scores.dim() == 2 else scores.unsqueeze(1)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def class_logits(output: Any, target: str) -> Tensor:
    """The output as logits (N, classes), for a target that chooses classes.

    Raises:
        ConfigError: the output is something else; the message names ``model.output`` as the way to choose.
    """
    if isinstance(output, Tensor) and output.dim() == 2:
        return output
    got = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
    raise ConfigError(
        f"target {target}: expected logits (N, classes), got {got}; "
        "choose a part of the output with model.output, or give a callable"
    )


def class_indices(wanted: Sequence[int] | Tensor, output: Tensor, target: str) -> Tensor:
    """Class indices as a tensor on the output's device, checked against the number of classes.

    Raises:
        ConfigError: an index that is not in 0 ... classes - 1.
    """
    indices = torch.as_tensor(wanted, dtype=torch.long)
    classes = output.shape[1]
    bad = indices[(indices < 0) | (indices >= classes)]
    if bad.numel():
        raise ConfigError(f"target {target}: expected a class index in 0 ... {classes - 1}, got {int(bad[0])}")
    return indices.to(output.device)
