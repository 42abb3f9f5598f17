"""What is explained: the protocols, and the two pinned targets that come with the core.

A target is *pinned* once, on the clean pass: classes chosen there are scored in every later pass, so that none explains another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from xaikit.errors import ConfigError, XaikitError, declared, is_count, is_truth


class Pinned(Protocol):
    """A target fixed on the clean pass.

    plural  whether results keep an axis T behind the batch; a singular target has T = 1 and the axis is dropped

    It may have more members:

    rows           ``rows(index) -> Pinned``: the same target for chosen samples, which may repeat: ``index`` (M,) of their
                   rows. Without it variants are scored one at a time
    probabilities  ``probabilities(output) -> Tensor``: of a class, its softmax probabilities (N, T)
    logits         ``logits(output) -> Tensor``: of a class, its logits (N, T)
    spatial        a field, True: the score is of certain places of the picture: a mask, a box, a unit of a map
    place          ``place(sample) -> {"corners": (x0, y0, x1, y1), "label": class}`` in input pixels (``"relative": True``:
                   in shares of its sides), or ``{"mask": (H, W)}`` of bool, to be drawn; or a list of them, one a score
    padding        (N, T), True where a sample has fewer targets than others: what stands there is no target of it, and its
                   map and score are NaN
    """

    @property
    def plural(self) -> bool: ...

    def scores(self, output: Any) -> Tensor:
        """The scalars to explain, (N, T), differentiable, of any pass on the same samples."""


class Target(Protocol):
    """The class behind a plugin of ``xaikit.targets``: a frozen dataclass whose fields are its options.

    It may have more members, as :class:`Pinned` may:

    count         a property: how many scores a sample has, for the plan; 1 without it
    plural        False says before any pass that results have no axis of targets, so that the forward may stop early where
                  no score is needed
    layer         a field, the name of a module: it is pinned and scored on what that returns, not on the model's output
    needs_labels  True, or a property that depends on the options: it is of the class that the data states. Only then are
                  the labels of the data read, and its results are computed again where a label has changed
    rows          ``rows(index) -> Target``, where an option says something of each sample: the same for chosen ones
    examples      of the class, options that it is checked with beside the default ones
    """

    def pin(self, output: Any, labels: Tensor | None) -> Pinned:
        """Fix the target.

        Args:
            output: of the clean pass, as the config's ``model.output`` selects it; logits (N, classes) as a rule.
            labels: class indices where the data has them, else None: (N,); of several classes a sample (N, K), -1 behind
                those that it has, or as truths (N, classes).

        Raises:
            ConfigError: the target does not fit this output or needs labels.
        """


def count_of(target: Target) -> int | None:
    """How many scores a sample has; None where only the pinned target tells. Raises PluginContract."""
    return declared(target, "count", None, lambda count: is_count(count, 1), "a number of scores, 1 or more")


def plural_of(target: Target) -> bool | None:
    """Whether results have an axis of targets; None where only the pinned target tells. Raises PluginContract."""
    return declared(target, "plural", None, is_truth, "True or False")


def layer_of(target: Target) -> str | None:
    """The layer that a target is scored on; None for the model's output. Raises PluginContract for no name."""
    return declared(target, "layer", None, lambda layer: isinstance(layer, str), "the name of a module")


def needs_labels(target: Target) -> bool:
    """Whether a target is of the class that the data states; where it says nothing, it is not. Raises PluginContract."""
    return declared(target, "needs_labels", False, is_truth, "True or False")


def rows_of(pinned: Pinned) -> Callable[[Tensor], Pinned] | None:
    """The function from rows (M,) to the same target for those samples; None where it scores only those it was pinned on."""
    rows: Callable[[Tensor], Pinned] | None = getattr(pinned, "rows", None)
    return rows


def stated_for(target: Target, index: Tensor) -> Target:
    """A target for chosen samples (M,); itself where it says nothing of each."""
    rows: Callable[[Tensor], Target] | None = getattr(target, "rows", None)
    return target if rows is None else rows(index)


def places_of(pinned: Pinned, sample: int, count: int) -> Sequence[Mapping[str, Any]]:
    """What of the picture each of ``count`` scores is of: ``corners`` and ``label``, or ``mask``; empty where that is all."""
    stated = pinned.place(sample) if hasattr(pinned, "place") else {}
    return [stated] * count if isinstance(stated, Mapping) else stated


def padding_of(pinned: Pinned) -> Tensor | None:
    """Where (N, T) a sample has no target, as others have more; None where all have as many."""
    padding: Tensor | None = getattr(pinned, "padding", None)
    return padding


def probabilities_of(pinned: Pinned) -> Callable[[Any], Tensor] | None:
    """The function from an output to the probabilities (N, T) of the pinned classes; None where the target is no class."""
    probabilities: Callable[[Any], Tensor] | None = getattr(pinned, "probabilities", None)
    return probabilities


def logits_of(pinned: Pinned) -> Callable[[Any], Tensor] | None:
    """The function from an output to the logits (N, T) of the pinned classes; None where the target is no class."""
    logits: Callable[[Any], Tensor] | None = getattr(pinned, "logits", None)
    return logits


def is_spatial(pinned: Pinned) -> bool:
    """Whether a score is of certain places of the picture, so that another cut asks elsewhere. Raises PluginContract."""
    return declared(pinned, "spatial", False, is_truth, "True or False")


@dataclass(frozen=True, eq=False)
class PinnedClasses:
    """The logits of chosen classes: ``indices`` (N, T), one row a sample; where it is ``padded``, -1 behind the last of one that
    has fewer."""

    indices: Tensor
    plural: bool = False
    padded: bool = False

    def scores(self, output: Tensor) -> Tensor:
        """The chosen logits, (N, T)."""
        return self.logits(output)

    def logits(self, output: Tensor) -> Tensor:
        """The same, whatever else a target scores of its classes."""
        # a copy, as indices made in inference mode cannot be saved for the gradient
        indices = self.indices.to(output.device).clone()
        if self.padded:  # by another class of the sample, so that no pass meets a NaN
            indices = indices.where(indices >= 0, indices[:, :1].clamp(min=0))
        return output.gather(1, indices)

    @property
    def padding(self) -> Tensor | None:
        """Where (N, T) a sample has fewer classes than others."""
        return self.indices < 0 if self.padded else None

    def __str__(self) -> str:
        """The classes, a row a sample where they differ."""
        rows = dict.fromkeys(tuple(one for one in row if one >= 0) for row in self.indices.tolist())
        return " or ".join("class " + ", ".join(map(str, row)) if row else "no class" for row in rows)

    def probabilities(self, output: Tensor) -> Tensor:
        """The softmax probabilities of the chosen classes, (N, T)."""
        return self.logits(output.softmax(1))

    def rows(self, index: Tensor) -> PinnedClasses:
        """The classes of chosen samples."""
        return PinnedClasses(self.indices[index.to(self.indices.device)], self.plural, self.padded)


@dataclass(frozen=True, eq=False)
class PinnedFunction:
    """A function of the output, called on every pass."""

    function: Callable[[Any], Tensor]
    count: int
    plural: bool = False

    def scores(self, output: Any) -> Tensor:
        """What the function returns, as (N, T)."""
        scores = self.function(output)
        if len(scores) != self.count:
            raise XaikitError(
                f"target {self}: expected {self.count} samples, got scores of shape {tuple(scores.shape)}"
            )
        return scores if scores.dim() == 2 else scores.unsqueeze(1)

    def __str__(self) -> str:
        return name_of(self.function)

    def rows(self, index: Tensor) -> PinnedFunction:
        """The same function, of another number of samples."""
        return PinnedFunction(self.function, len(index), self.plural)


@dataclass(frozen=True)
class FunctionTarget:
    """A callable as a target: ``function(output) -> (N,)``, or ``(N, T)`` for a plural one."""

    function: Callable[[Any], Tensor]

    def pin(self, output: Any, labels: Tensor | None) -> Pinned:
        """Call it once to learn how many scores it gives. Raises ConfigError if these are not (N,) or (N, T)."""
        scores, name = self.function(output), name_of(self.function)
        if not isinstance(scores, Tensor) or scores.dim() not in (1, 2):
            got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
            raise ConfigError(f"target {name}: expected scores of shape (N,) or (N, T), got {got}")
        if isinstance(output, Tensor) and len(scores) != len(output):
            raise ConfigError(f"target {name}: expected scores of {len(output)} samples, got {len(scores)}")
        return PinnedFunction(self.function, scores.shape[0], plural=scores.dim() == 2)


def name_of(function: Callable[..., Any]) -> str:
    """What a function is called, in messages."""
    return getattr(function, "__name__", type(function).__name__)


def scores_of(pinned: Pinned, output: Any, samples: int) -> Tensor:
    """The scores (N, T) of a clean pass. Raises ConfigError where they are not those of so many samples."""
    scores = pinned.scores(output)
    if len(scores) != samples:
        raise ConfigError(
            f"target {pinned}: expected the scores of {samples} samples, as many as the first input has rows, got "
            f"{len(scores)}; choose a part of the output with model.output, or name inputs that are no sample's as shared="
        )
    return scores


def parts_in(output: Any) -> list[tuple[Any, Any]]:
    """What a mapping, a dataclass, a tuple or a list holds, each with its key, name or index; nothing of anything else."""
    if isinstance(output, Mapping):
        return list(output.items())
    if is_dataclass(output) and not isinstance(output, type):
        return [(item.name, getattr(output, item.name)) for item in fields(output)]
    return list(enumerate(output)) if isinstance(output, (tuple, list)) else []


def tensors_within(output: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in an output, with the way to it as ``model.output`` says it."""
    for key, part in parts_in(output):
        if isinstance(part, Tensor):
            yield str(key), part
        yield from ((f"{key}.{way}", tensor) for way, tensor in tensors_within(part))


MOST = 8
"""How many tensors of an output an error lists."""


def described(output: Any) -> str:
    """An output in the words of an error: its shape, or which tensors it holds, with the way to each.

    >>> described((torch.zeros(2, 8), {"sex": torch.zeros(2, 3)}))
    'tuple with 0 (2, 8), 1.sex (2, 3)'
    """
    if isinstance(output, Tensor):
        integers = "" if output.is_floating_point() else f" and type {output.dtype}, which has no gradient"
        return f"a tensor of shape {tuple(output.shape)}{integers}"
    listed = [f"{way} {tuple(tensor.shape)}" for way, tensor in islice(tensors_within(output), MOST + 1)]
    if hasattr(output, "__array__"):
        return f"{type(output).__name__}, which has no gradient: return a tensor"
    name = type(output).__name__
    return f"{name} with {', '.join(listed[:MOST])}{', ...' if len(listed) > MOST else ''}" if listed else name


def class_logits(output: Any, target: str) -> Tensor:
    """The output as logits (N, classes), for a target that chooses classes.

    Raises:
        ConfigError: the output is something else; the message names ``model.output`` as the way to choose.
    """
    if isinstance(output, Tensor) and output.dim() == 2 and output.is_floating_point():
        return output
    raise ConfigError(
        f"target {target}: expected logits (N, classes), got {described(output)}; "
        "choose a part of the output with model.output, or give a callable"
    )


def class_indices(wanted: Sequence[int | str] | Sequence[int] | Tensor, output: Tensor, target: str) -> Tensor:
    """Class indices as a tensor on the output's device, checked against the number of classes.

    Raises:
        ConfigError: an index that is not in 0 ... classes - 1, or a name, of which nobody has told what it means.
    """
    names = [] if isinstance(wanted, Tensor) else [name for name in wanted if isinstance(name, str)]
    if names:
        raise ConfigError(f"target {target}: expected a class index, got {names[0]!r}; give the names of the classes")
    indices = torch.as_tensor(wanted, dtype=torch.long)
    classes = output.shape[1]
    stated = np.ravel(wanted.tolist() if isinstance(wanted, Tensor) else wanted)
    bad = stated[(stated < 0) | (stated >= classes)]
    if bad.size:
        raise ConfigError(f"target {target}: expected a class index in 0 ... {classes - 1}, got {bad[0]}")
    return indices.to(output.device)
