"""One detection of an object detector, found again by where it is and what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from xaikit import ClassIndex, ConfigError, XaikitError, hookimpl
from xaikit.targets import described
from xaikit_targets._classes import of_rows

_KEYS = ("boxes", "labels", "scores")


@dataclass(frozen=True)
class Box:
    """s = max_k IoU(b_k, b) p_k, over the detections k of the label of the reference b; p is the score of the detector.

    The output is a list of dicts, one a sample, of ``boxes`` (K, 4) as x0, y0, x1, y1 in pixels, ``labels`` and ``scores``
    (K,): what detectors of torchvision return. The reference is fixed on the clean pass; where nothing of its label
    overlaps it later the score is 0, with a gradient of zeros. On the clean pass the best match is the reference itself,
    IoU is at its maximum there, and the gradient is that of its score.

    Fails: a detection that suppression keeps or drops makes the score jump where evidence is erased. Region proposals
    come without a gradient: in two-stage detectors what only moves them is not seen by gradients.
    Peers: pytorch-grad-cam's FasterRCNNBoxScoreTarget adds IoU and score, takes the box that overlaps most whatever its
    label, wants an IoU above 0.5, and returns a zero without a graph where there is none.

    rank  the reference is the rank-th best detection of the clean pass, from 1
    of    only among those with this label
    box   instead of a detection: [x0, y0, x1, y1] in pixels; then ``of`` must say the label. In Python also one of each
          sample, tensors (N, 4) and (N,)
    keys  where the output has other keys: {boxes: ..., labels: ..., scores: ...}, those that differ
    """

    rank: int = 1
    of: ClassIndex | Tensor | None = None
    box: tuple[float, float, float, float] | Tensor | None = None
    keys: dict[str, str] = field(default_factory=dict)

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"rank": 2}, {"of": 3}, {"box": (0.0, 0.0, 4.0, 5.0), "of": 1})

    plural: ClassVar[bool] = False

    @staticmethod
    def example_output(seed: int) -> list[dict[str, Tensor]]:
        """Three detections a sample."""
        scores = torch.rand(4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        corners = torch.tensor([[0, 0, 4, 4], [8, 0, 12, 6], [0, 8, 6, 16]], dtype=torch.float64)
        return [{"boxes": corners.clone(), "labels": torch.tensor([1, 2, 3]), "scores": row} for row in scores]

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank: expected at least 1, got {self.rank}")
        if self.box is not None:
            rows = self.box if isinstance(self.box, Tensor) else torch.tensor([self.box])
            if not (rows.dim() == 2 and rows.shape[1] == 4 and bool((rows[:, :2] < rows[:, 2:]).all())):
                form = "(N, 4), rows of " if isinstance(self.box, Tensor) else ""
                raise ValueError(
                    f"box: expected {form}[x0, y0, x1, y1] with x0 < x1 and y0 < y1, got {_listed(self.box)}"
                )
            if self.of is None:
                raise ValueError("of: expected the label of the box, got none")
        if not set(self.keys) <= set(_KEYS):
            raise ValueError(f"keys: expected some of {', '.join(_KEYS)}, got {', '.join(self.keys)}")

    def pin(self, output: Any, labels: Tensor | None) -> PinnedBox:
        """Fix the reference. Raises ConfigError: no list of detections, or none of that rank and label in a sample."""
        names = tuple(self.keys.get(key, key) for key in _KEYS)
        if isinstance(output, Tensor | Mapping) or not isinstance(output, Sequence) or not output:
            raise ConfigError(f"target box: expected a list of detections, a dict a sample, got {described(output)}")
        for name, option in (("box", self.box), ("of", self.of)):
            if isinstance(option, Tensor) and len(option) not in (1, len(output)):
                raise ConfigError(f"target box: {name}: expected {len(output)}, one a sample, got {len(option)}")
        detections = [_detections(one, names) for one in output]
        if self.box is None:
            self._check_ranks(detections)
        references = [self._reference(one, row) for row, one in enumerate(detections)]
        return PinnedBox(
            torch.stack([box for box, _ in references]), torch.stack([label for _, label in references]), names
        )

    def rows(self, index: Tensor) -> Box:
        """The same for chosen samples."""
        return replace(self, of=of_rows(self.of, index), box=of_rows(self.box, index))

    def _check_ranks(self, detections: Sequence[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Raises ConfigError for a sample of too few detections; a device is waited for once for all samples."""
        labels = [of_one for _, of_one, _ in detections]
        counts = list(map(len, labels))
        if self.of is not None:
            alike = [(of_one == _of_row(self.of, row)).sum() for row, of_one in enumerate(labels)]
            counts = torch.stack(alike).tolist()
        for row, count in enumerate(counts):
            if count < self.rank:
                which = "" if self.of is None else f" of label {_of_row(self.of, row)}"
                raise ConfigError(
                    f"target box: expected at least {self.rank} detections{which}, got {count} in sample {row}; say "
                    "box: [x0, y0, x1, y1] and of: LABEL, or lower the detector's threshold"
                )

    def _reference(self, detections: tuple[Tensor, Tensor, Tensor], row: int) -> tuple[Tensor, Tensor]:
        """Box (4,) and label of one sample."""
        boxes, labels, scores = (tensor.detach() for tensor in detections)
        of = _of_row(self.of, row)
        if self.box is not None:
            return boxes.new_tensor(_of_row(self.box, row)), labels.new_tensor(of)
        order = scores.argsort(descending=True, stable=True)
        if of is not None:  # those of the label first, in the same order
            order = order[(labels[order] != of).long().argsort(stable=True)]
        best = order[self.rank - 1 : self.rank]
        return boxes[best].squeeze(0), labels[best].squeeze(0)


def _of_row(option: Any, row: int) -> Any:
    """What an option says of one sample."""
    return option[row % len(option)].tolist() if isinstance(option, Tensor) else option


def _listed(option: Any) -> Any:
    return option.tolist() if isinstance(option, Tensor) else list(option)


def _detections(one: Any, names: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (K, 4), labels (K,) and scores (K,) of one sample."""
    if not isinstance(one, Mapping) or not all(isinstance(one.get(name), Tensor) for name in names):
        got = f"keys {', '.join(map(str, one))}" if isinstance(one, Mapping) else type(one).__name__
        raise ConfigError(f"target box: expected a dict with tensors {', '.join(names)} a sample, got {got}; see keys")
    boxes, labels, scores = (one[name] for name in names)
    if boxes.dim() != 2 or boxes.shape[1] != 4 or not labels.shape == scores.shape == boxes.shape[:1]:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (boxes, labels, scores))
        raise ConfigError(f"target box: expected shapes (K, 4), (K,), (K,) of {', '.join(names)}, got {shapes}")
    return boxes, labels, scores


def overlap(boxes: Tensor, box: Tensor) -> Tensor:
    """The IoU of boxes (K, 4) with one, (K,); 0 where both are empty."""
    low, high = torch.maximum(boxes[:, :2], box[:2]), torch.minimum(boxes[:, 2:], box[2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - shared
    return torch.where(union > 0, shared / torch.where(union > 0, union, 1), 0)


@dataclass(frozen=True, eq=False)
class PinnedBox:
    """A reference box (N, 4) and its label (N,) for every sample.

    names  the keys of boxes, labels and scores
    """

    boxes: Tensor
    labels: Tensor
    names: tuple[str, ...]
    plural: ClassVar[bool] = False
    spatial: ClassVar[bool] = True

    def scores(self, output: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """(N, 1)"""
        if len(output) != len(self.boxes):
            raise XaikitError(f"target box: expected detections of {len(self.boxes)} samples, got {len(output)}")
        return torch.stack([self._score(row, one) for row, one in enumerate(output)]).unsqueeze(1)

    def place(self, sample: int) -> dict[str, Any]:
        """The reference of a sample, with its class."""
        return {"corners": self.boxes[sample].tolist(), "label": int(self.labels[sample])}

    def _score(self, row: int, one: Mapping[str, Tensor]) -> Tensor:
        boxes, labels, scores = _detections(one, self.names)
        nothing = 0 * (scores.sum() + boxes.sum())  # a zero that is part of the graph, also of no detection at all
        if not len(scores):
            return nothing
        alike = labels == self.labels[row].to(labels.device)
        box = self.boxes[row].to(boxes.device, boxes.dtype).clone()
        # masked and not left out: how many are left is what a device would be waited for
        best = (overlap(boxes, box) * scores).masked_fill(~alike, -torch.inf).max()
        return torch.where(alike.any(), best, nothing)

    def probabilities(self, output: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """The scores themselves, (N, 1): they lie between 0 and 1."""
        return self.scores(output)

    def __str__(self) -> str:
        boxes = zip(self.labels.tolist(), self.boxes.tolist(), strict=True)
        texts = [f"class {label} in {', '.join(f'{side:.0f}' for side in box)}" for label, box in boxes]
        return " or ".join(dict.fromkeys(texts))

    def rows(self, index: Tensor) -> PinnedBox:
        """The references of chosen samples."""
        index = index.to(self.boxes.device)
        return PinnedBox(self.boxes[index], self.labels[index.to(self.labels.device)], self.names)


@hookimpl
def xaikit_target() -> type:
    return Box
