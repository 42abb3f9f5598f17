"""What the output of a detector says of each sample: its boxes, and how sure it is of which class there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, one_hot

from xaikit import ConfigError
from xaikit.targets import described, parts_in
from xaikit_targets._importing import imported

KEYS = ("boxes", "labels", "scores")
ROUNDING = 1e-3
"""How far a probability of half precision may be off."""


class Candidates(Protocol):
    """The K boxes of one sample; ``boxes`` (K, 4) as x0, y0, x1, y1.

    raw  whether they are those of a head, before suppression: many boxes are of one object
    """

    @property
    def boxes(self) -> Tensor: ...

    @property
    def raw(self) -> bool: ...

    def best(self) -> tuple[Tensor, Tensor]:
        """The class of each, and its score: (K,) twice."""

    def of(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of classes (T,), and which boxes may be of them, (T, K) twice."""

    def shares(self, index: Tensor) -> Tensor:
        """The probabilities of all classes in chosen boxes (M,), (M, classes); (M, 0) where only one is known."""

    def likeness(self, labels: Tensor, shares: Tensor) -> Tensor:
        """Of each to references of these classes (T,) and probabilities (T, classes): cosine times objectness, (T, K)."""


@dataclass(frozen=True, eq=False)
class Detections:
    """What is left after suppression: each box has one label (K,) and its score (K,)."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    raw: ClassVar[bool] = False

    def best(self) -> tuple[Tensor, Tensor]:
        return self.labels, self.scores

    def of(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        alike = self.labels == labels.unsqueeze(1)
        return self.scores.expand(alike.shape), alike

    def shares(self, index: Tensor) -> Tensor:
        return self.scores.new_zeros(len(index), 0)

    def likeness(self, labels: Tensor, shares: Tensor) -> Tensor:
        # of one class alone the cosine is 1 or 0
        scores, alike = self.of(labels)
        return scores * alike


@dataclass(frozen=True, eq=False)
class RawHead:
    """What a head says everywhere: the probability of each class (K, classes), and objectness (K,) where it has one."""

    boxes: Tensor
    classes: Tensor
    objectness: Tensor | None = None
    raw: bool = True

    @property
    def scores(self) -> Tensor:
        """(K, classes)"""
        return self.classes if self.objectness is None else self.classes * self.objectness.unsqueeze(1)

    def best(self) -> tuple[Tensor, Tensor]:
        scores, labels = self.scores.max(1)
        return labels, scores

    def of(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.scores[:, labels].T
        return scores, torch.ones_like(scores, dtype=torch.bool)

    def shares(self, index: Tensor) -> Tensor:
        return self.classes[index]

    def likeness(self, labels: Tensor, shares: Tensor) -> Tensor:
        if not shares.shape[1]:  # of a box that somebody has stated
            shares = one_hot(labels, self.classes.shape[1]).to(self.classes)
        objectness = self.classes.amax(1) if self.objectness is None else self.objectness
        return cosine_similarity(shares.unsqueeze(1), self.classes.unsqueeze(0), dim=2) * objectness


def check_probabilities(candidates: Sequence[Candidates]) -> None:
    """Raises ConfigError where what stands for classes, or for objectness, is no probability; NaN is left to be seen."""
    tensors = (tensor for one in candidates if isinstance(one, RawHead) for tensor in (one.classes, one.objectness))
    extremes = [torch.stack(tensor.detach().aminmax()) for tensor in tensors if tensor is not None and tensor.numel()]
    if not extremes:
        return
    low, *_, high = torch.cat(extremes).sort().values.tolist()  # a device is waited for once
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ConfigError(
            f"target box: expected probabilities of classes in 0 ... 1, got {low:.4g} ... {high:.4g}: logits, another format, "
            "or more than classes behind the boxes; say another format or a function"
        )


Read = Callable[[Any], Sequence[Candidates]]


def is_function(form: str) -> bool:
    """Whether a format is a function's path."""
    return ":" in form


def reader_of(form: str, keys: Mapping[str, str]) -> Read:
    """What reads an output of that format, a sample at a time. Raises ConfigError for a function that cannot be had."""
    if not is_function(form):
        return partial(_READERS[form], names=tuple(keys.get(key, key) for key in KEYS))
    where = f"target box: format {form!r}"
    return partial(_adapted, function=imported(form, where), where=where)


def is_relative(form: str) -> bool:
    """Whether boxes are in shares of the sides of the picture, and not in pixels."""
    return form.endswith("queries")


def _adapted(output: Any, function: Callable[[Any], Any], where: str) -> Sequence[Candidates]:
    try:
        made = function(output)
    except Exception as error:  # a function is anybody's code
        raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error
    return _listed(made, KEYS)


def _listed(output: Any, names: Sequence[str]) -> Sequence[Candidates]:
    if isinstance(output, Tensor | Mapping) or not isinstance(output, Sequence) or not output:
        raise ConfigError(
            f"target box: expected a list of detections, a dict a sample, got {described(output)}; of another output say its "
            f"format: {', '.join(list(_READERS)[1:])}, or a function that makes such a list of it"
        )
    return [_one(each, names) for each in output]


def _one(one: Any, names: Sequence[str]) -> Candidates:
    boxes, labels, scores = (one.get(name) if isinstance(one, Mapping) else None for name in names)
    if not isinstance(boxes, Tensor) or not isinstance(scores, Tensor) or not isinstance(labels, Tensor | None):
        got = f"keys {', '.join(map(str, one))}" if isinstance(one, Mapping) else type(one).__name__
        raise ConfigError(f"target box: expected a dict with tensors {', '.join(names)} a sample, got {got}; see keys")
    shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (boxes, labels, scores) if tensor is not None)
    is_list = boxes.dim() == 2 and boxes.shape[1] == 4 and len(scores) == len(boxes)
    if labels is None and is_list and scores.dim() == 2 and scores.shape[1]:
        return RawHead(boxes, scores)
    if labels is None and scores.dim() == 1:
        raise ConfigError(f"target box: expected {names[1]} beside {names[2]} (K,), got none")
    if labels is None or not is_list or not labels.shape == scores.shape == boxes.shape[:1]:
        expected = (
            f"(K, 4), (K,), (K,) of {', '.join(names)}"
            if labels is not None
            else f"(K, 4), (K, classes) of {names[0]}, {names[2]}"
        )
        raise ConfigError(f"target box: expected shapes {expected}, got {shapes}")
    return Detections(boxes, labels, scores)


def _anchor_free(output: Any, names: object) -> Sequence[Candidates]:
    rows = _tensor(output, "(N, 4 + classes, K)", 1, 5).mT
    return [RawHead(_corners(one[:, :4]), one[:, 4:]) for one in rows]


def _anchors(output: Any, names: object) -> Sequence[Candidates]:
    rows = _tensor(output, "(N, K, 5 + classes)", 2, 6)
    return [RawHead(_corners(one[:, :4]), one[:, 5:], one[:, 4]) for one in rows]


def _tensor(output: Any, shape: str, axis: int, least: int) -> Tensor:
    if not isinstance(output, Tensor) or output.dim() != 3 or output.shape[axis] < least:
        raise ConfigError(
            f"target box: expected a tensor {shape}, got {described(output)}; choose a part of the output with model.output"
        )
    return output


def _queries(output: Any, names: object, sigmoid: bool = False) -> Sequence[Candidates]:
    parts = dict(parts_in(output))
    boxes, logits = parts.get("pred_boxes"), parts.get("logits", parts.get("pred_logits"))
    if not isinstance(boxes, Tensor) or not isinstance(logits, Tensor) or boxes.shape[:2] != logits.shape[:2]:
        raise ConfigError(
            f"target box: expected pred_boxes (N, K, 4) and logits or pred_logits (N, K, classes), got {described(output)}"
        )
    classes = logits.sigmoid() if sigmoid else logits.softmax(2)[..., :-1]
    pairs = zip(boxes, classes, strict=True)
    return [RawHead(_corners(box), each, raw=False) for box, each in pairs]


_READERS: dict[str, Callable[..., Sequence[Candidates]]] = {
    "detections": _listed,
    "anchor_free": _anchor_free,
    "anchors": _anchors,
    "queries": _queries,
    "sigmoid_queries": partial(_queries, sigmoid=True),
}
FORMATS = tuple(_READERS)


def _corners(boxes: Tensor) -> Tensor:
    """Boxes (K, 4) of middle, width and height by their corners."""
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return torch.cat([middle - half, middle + half], 1)


def overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """The IoU of boxes (T, 4) with others (K, 4), (T, K), in float32 at least: areas overflow halves; 0 where both are empty."""
    boxes, others = (each.float() if each.dtype.itemsize < 4 else each for each in (boxes, others))
    boxes, others = boxes.unsqueeze(1), others.unsqueeze(0)
    low, high = torch.maximum(boxes[..., :2], others[..., :2]), torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = (high - low).clamp(min=0).prod(2)
    areas = ((each[..., 2:] - each[..., :2]).prod(2) for each in (boxes, others))
    union = sum(areas) - shared
    return torch.where(union > 0, shared / torch.where(union > 0, union, 1), 0)


def ranked(candidates: Candidates, allowed: Tensor, shared: float, most: int | None) -> tuple[Tensor, Tensor]:
    """The places of boxes, the surest of the allowed ones (K,) first, and how many of these there are, a number on the device.

    Of a raw head those are left out that overlap a surer one of their class by more than ``shared``; ``most`` are asked for.
    """
    labels, scores = (tensor.detach() for tensor in candidates.best())
    order = scores.masked_fill(~allowed, -torch.inf).argsort(descending=True, stable=True)
    if not candidates.raw:
        return order, allowed.sum()
    # each waits for the one before: on the host, which is asked once
    count = int(allowed.sum())
    boxes, labels = candidates.boxes.detach()[order[:count]].cpu(), labels[order[:count]].cpu()
    left, kept = torch.ones(count, dtype=torch.bool), list[int]()
    while bool(left.any()) and (most is None or len(kept) < most):
        first = int(left.int().argmax())
        kept.append(first)
        left &= (labels != labels[first]) | (overlap(boxes[first : first + 1], boxes)[0] <= shared)
        left[first] = False
    return order[torch.tensor(kept, dtype=torch.long, device=order.device)], torch.tensor(
        len(kept), device=order.device
    )
