"""Pictures of unequal size, as detectors take them in a list: each is explained by itself, and all explanations are one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from xaikit.evidence.conditions import unwrapped
from xaikit.explanation import Explanation
from xaikit.notebook.inputs import first_convolution, ids_of
from xaikit.notebook.targets import indexed, labels_of, target_of
from xaikit.pictures.window import ShownInputs
from xaikit.registry import Registry
from xaikit.schema.class_files import read_classes
from xaikit.schema.classes import Classes
from xaikit.targets import Pinned, padding_of, places_of, stated_for

P = ParamSpec("P")


def one_by_one(function: Callable[P, dict[str, Explanation]]) -> Callable[P, dict[str, Explanation]]:
    """:func:`xaikit.explain`, of pictures of unequal size, which are no batch, as of each alone."""

    @wraps(function)
    def explained(*args: P.args, **kwargs: P.kwargs) -> dict[str, Explanation]:
        bound = signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        stated: dict[str, Any] = bound.arguments
        pictures = _unequal(stated["inputs"], unwrapped(stated["model"]))
        if pictures is None or stated["transform"] is not None:
            return function(*args, **kwargs)
        of_each = _of_each(len(pictures), **{name: stated[name] for name in ("target", "labels", "classes", "ids")})
        alone: Callable[..., dict[str, Explanation]] = function
        parts = zip(pictures, of_each, strict=True)
        return _joined_by_label([alone(**{**stated, "inputs": picture, **of_it}) for picture, of_it in parts])

    return explained


def _of_each(samples: int, target: Any, labels: Any, classes: Any, ids: Any) -> Iterator[dict[str, Any]]:
    """What is stated of each of several pictures, as of a batch of that one."""
    names = Classes() if classes is None else Classes(*read_classes(classes))
    stated_labels = None if labels is None else labels_of(indexed("labels", labels, names), samples)
    general, indices = target_of(target, stated_labels, samples, Registry(), names)
    for row, name in enumerate(ids_of(ids, samples)):
        of_it = None if indices is None else indices[row : row + 1]
        # the target may state them: several of a sample are no labels
        own = of_it if labels is None and of_it is not None else stated_for(general, torch.tensor([row]))
        yield {"target": own, "labels": None if labels is None else of_it, "ids": [name]}


def _unequal(inputs: Any, model: nn.Module) -> list[Tensor | np.ndarray] | None:
    """A list of samples (C, *S) whose *S differ, each as a batch of one; None for anything else."""
    layer = first_convolution(model)
    if (
        not isinstance(inputs, list)
        or not all(isinstance(one, (Tensor, np.ndarray)) for one in inputs)
        or layer is None
    ):
        return None
    axes = {one.ndim for one in inputs}
    if axes != {len(layer.kernel_size) + 1} or len({tuple(one.shape) for one in inputs}) == 1:
        return None
    return [one[None] for one in inputs]


def _joined_by_label(parts: Sequence[Mapping[str, Explanation]]) -> dict[str, Explanation]:
    """The explanations of pictures, of one sample each, as those of all."""
    return {label: _joined([part[label] for part in parts]) for label in parts[0]}


def _joined(parts: Sequence[Explanation]) -> Explanation:
    fused = [part.map for part in parts if part.map is not None]
    inputs = [part.shown.inputs for part in parts if part.shown is not None]
    return replace(
        parts[0],
        maps=_joined_by_name([part.maps for part in parts]),
        finished=_joined_by_name([part.finished for part in parts]),
        map=padded(fused) if fused else None,
        scores=padded([part.scores for part in parts]),
        target=PinnedEach(tuple(part.target for part in parts), tuple(part.scores.numel() for part in parts)),
        strides={layer: stride for part in reversed(parts) for layer, stride in part.strides.items()},
        noted=tuple(
            replace(note, counts=pad(note.counts, (row, len(parts) - 1 - row)))
            for row, part in enumerate(parts)
            for note in part.noted
        ),
        numbers={name: _joined_by_name([part.numbers[name] for part in parts]) for name in parts[0].numbers},
        shown=ShownInputs(padded(inputs, 0), sizes=tuple(tuple(each.shape[2:]) for each in inputs)),
    )


def _joined_by_name(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """By layer; NaN for pictures whose layers, found by themselves, are others."""
    some = {name: tensor for part in reversed(parts) for name, tensor in part.items()}
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: padded([part.get(name, torch.full_like(some[name], torch.nan)) for part in parts]) for name in names}


def padded(parts: Sequence[Tensor], value: float = torch.nan) -> Tensor:
    """Tensors (1, ...) of unequal size as one (N, ...), with a value behind the end of every axis of those that are smaller.

    >>> padded([torch.ones(1, 2), torch.ones(1, 3)], 0)
    tensor([[1., 1., 0.],
            [1., 1., 1.]])
    """
    most = [max(sides) for sides in zip(*(part.shape[1:] for part in parts), strict=True)]
    rows = []
    for part in parts:
        missing = [side - got for side, got in zip(most, part.shape[1:], strict=True)]
        rows.append(pad(part, [each for side in reversed(missing) for each in (0, side)], value=value))
    return torch.cat(rows)


@dataclass(frozen=True, eq=False)
class PinnedEach:
    """The targets of pictures, each pinned on its own pass, and how many scores each has.

    What every one of them has as a tensor of its picture, such as ``indices`` or ``boxes``, is here of all: (N, T, ...).
    """

    targets: tuple[Pinned, ...]
    counts: tuple[int, ...]

    @property
    def plural(self) -> bool:
        """As all say."""
        return self.targets[0].plural

    @property
    def padding(self) -> Tensor | None:
        """Where (N, T) a picture has fewer than others."""
        stated = [padding_of(target) for target in self.targets]
        if len(set(self.counts)) == 1 and all(each is None for each in stated):
            return None
        rows = [
            torch.zeros(1, count, dtype=torch.bool) if each is None else each.cpu()
            for each, count in zip(stated, self.counts, strict=True)
        ]
        return padded([row.float() for row in rows], 1).bool()

    def scores(self, output: Sequence[Any]) -> Tensor:
        """(N, T), of an output for every picture."""
        return padded([target.scores(one) for target, one in zip(self.targets, output, strict=True)])

    def place(self, sample: int) -> list[Mapping[str, Any]]:
        """As the target of that picture says; nothing where it has fewer than others."""
        count = self.counts[sample]
        return [*places_of(self.targets[sample], 0, count), *[{}] * (max(self.counts) - count)]

    def __getattr__(self, name: str) -> Tensor:
        values = [] if name.startswith("__") or name in ("targets", "counts") else self._of_each(name)
        if not values:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        return padded(values, torch.nan if values[0].is_floating_point() else -1)

    def _of_each(self, name: str) -> list[Tensor]:
        values = [getattr(target, name, None) for target in self.targets]
        tensors = [value for value in values if isinstance(value, Tensor) and value.dtype != torch.bool]
        return tensors if len(tensors) == len(values) else []

    def __str__(self) -> str:
        return " or ".join(dict.fromkeys(map(str, self.targets)))
