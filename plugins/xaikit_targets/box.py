"""Detections of an object detector, found again by where they are and what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from xaikit import ClassIndex, ConfigError, Located, hookimpl, lies_at, nearest
from xaikit_targets._candidates import (
    FORMATS,
    KEYS,
    Candidates,
    check_probabilities,
    is_function,
    is_relative,
    ranked,
    reader_of,
)
from xaikit_targets._classes import of_rows
from xaikit_targets._references import PinnedBox, References, check_class, stated, taken


@dataclass(frozen=True)
class Box:
    """s = IoU(b_k, b) p_k of the detection k that is the reference b again: k = argmax_j IoU(b_j, b) min(p_j, p).

    p_j is the score of the detector for the label of the reference, p what it was for the reference itself, which is fixed
    on the clean pass; there the best match is the reference, IoU is at its maximum, and the gradient is that of its score.
    Where nothing of its label overlaps it later the score is 0, with a gradient of zeros. In place of a probability, for
    methods that ask for one, stands the similarity of D-RISE (Petsiuk et al. 2021, arXiv:2006.03204, Eq. 3): the largest
    IoU x cosine of the class probabilities x objectness, for which the best class stands where a head has none.

    The output is by ``format``. Of heads before suppression the references are those that suppression would keep, and all
    candidates count later. ``model.output`` chooses a part of what a model returns.

    detections       a list of dicts, one a sample, of boxes (K, 4) as x0, y0, x1, y1 in pixels, labels and scores (K,): what
                     detectors of torchvision return
    anchor_free      a tensor (N, 4 + classes, K): middle, width and height, and the probability of each class
    anchors          a tensor (N, K, 5 + classes): middle, width and height, objectness, and the probability of each class
    queries          pred_boxes (N, K, 4), middle, width and height in shares of the sides, and logits or pred_logits
                     (N, K, classes + 1), the last of them no object, which a softmax is taken of: DETR
    sigmoid_queries  the same with a sigmoid, and no such class: Deformable DETR, RT-DETR

    Fails: a detection that suppression keeps or drops makes the score jump where evidence is erased. Region proposals
    come without a gradient: in two-stage detectors what only moves them is not seen by gradients.
    Peers: pytorch-grad-cam's FasterRCNNBoxScoreTarget adds IoU and score, takes the box that overlaps most whatever its
    label, wants an IoU above 0.5, and returns a zero without a graph where there is none.

    rank    the reference is the rank-th best detection of the clean pass, from 1; or several ranks, each with its own map,
            of which a sample with fewer detections has none (NaN)
    above   in place of a rank: all detections whose score is at least that, each with its own map
    of      only those with this label
    box     in place of a detection: [x0, y0, x1, y1], as the model gives boxes; then ``of`` must say the label, and a
            detection of it overlap the box. In Python also one of each sample, tensors (N, 4) and (N,)
    format  as above, or a function of the output, ./file.py:function or pkg.module:function, to a list of dicts, one a
            sample: boxes, labels and scores as above; or boxes and scores (K, classes) of a head before suppression
    shared  of a head before suppression: boxes of a label are one detection if they overlap by more than this IoU
    keys    of detections, where the output has other keys: {boxes: ..., labels: ..., scores: ...}, those that differ
    """

    rank: int | tuple[int, ...] = 1
    above: float | None = None
    of: ClassIndex | Tensor | None = None
    box: tuple[float, float, float, float] | Tensor | None = None
    format: Annotated[str, Located(lies_at)] = "detections"
    shared: float = 0.5
    keys: dict[str, str] = field(default_factory=dict)

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"rank": 2},
        {"of": 3},
        {"box": (0.0, 0.0, 4.0, 5.0), "of": 1},
        {"rank": (1, 3)},
        {"above": 0.0},
    )

    @staticmethod
    def example_output(seed: int) -> list[dict[str, Tensor]]:
        """Three detections a sample."""
        scores = torch.rand(4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        corners = torch.tensor([[0, 0, 4, 4], [8, 0, 12, 6], [0, 8, 6, 16]], dtype=torch.float64)
        return [{"boxes": corners.clone(), "labels": torch.tensor([1, 2, 3]), "scores": row} for row in scores]

    def __post_init__(self) -> None:
        if not self._ranks or min(self._ranks) < 1:
            raise ValueError(f"rank: expected at least 1, got {self.rank}")
        if self.above is not None and (self.rank != 1 or self.box is not None):
            raise ValueError("above: expected neither rank nor box beside it, got one")
        if self.box is not None:
            self._check_box(self.box)
        if not 0 <= self.shared <= 1:
            raise ValueError(f"shared: expected an IoU from 0 to 1, got {self.shared}")
        if self.format not in FORMATS and not is_function(self.format):
            raise ValueError(
                f"format: expected one of them or a function, got {self.format!r}; {nearest(self.format, FORMATS)}"
            )
        if self.keys and self.format != "detections":
            raise ValueError(f"keys: expected none beside format {self.format}, which is not detections, got some")
        if not set(self.keys) <= set(KEYS):
            raise ValueError(f"keys: expected some of {', '.join(KEYS)}, got {', '.join(self.keys)}")

    def _check_box(self, box: tuple[float, ...] | Tensor) -> None:
        rows = box if isinstance(box, Tensor) else torch.tensor([box])
        if not (rows.dim() == 2 and rows.shape[1] == 4 and bool((rows[:, :2] < rows[:, 2:]).all())):
            form = "(N, 4), rows of " if isinstance(box, Tensor) else ""
            listed = box.tolist() if isinstance(box, Tensor) else list(box)
            raise ValueError(f"box: expected {form}[x0, y0, x1, y1] with x0 < x1 and y0 < y1, got {listed}")
        if self.of is None:
            raise ValueError("of: expected the label of the box, got none")
        if self.rank != 1:
            raise ValueError(f"rank: expected none beside a box, got {self.rank}")

    @property
    def _ranks(self) -> tuple[int, ...]:
        return self.rank if isinstance(self.rank, tuple) else (self.rank,)

    @property
    def plural(self) -> bool:
        """Whether results keep an axis of targets."""
        return isinstance(self.rank, tuple) or self.above is not None

    @property
    def count(self) -> int | None:
        """How many scores a sample, for the plan; None where the detector decides."""
        return len(self._ranks) if self.above is None else None

    def pin(self, output: Any, labels: Tensor | None) -> PinnedBox:
        """Fix the references. Raises ConfigError: an output of another format, a class that a head does not have, a stated box
        that nothing of its label overlaps, or no detection of a rank and label in a sample, where there is one rank alone."""
        read = reader_of(self.format, self.keys)
        candidates = read(output)
        check_probabilities(candidates)
        for name, option in (("box", self.box), ("of", self.of)):
            if isinstance(option, Tensor) and len(option) not in (1, len(candidates)):
                raise ConfigError(f"target box: {name}: expected {len(candidates)}, one a sample, got {len(option)}")
        references = self._stated(candidates) if self.box is not None else self._chosen(candidates)
        boxes, classes, sure, there, shares = map(torch.stack, zip(*references, strict=True))
        return PinnedBox(boxes, classes, sure, there, shares, read, self.plural, is_relative(self.format))

    def rows(self, index: Tensor) -> Box:
        """The same for chosen samples."""
        return replace(self, of=of_rows(self.of, index), box=of_rows(self.box, index))

    def _stated(self, candidates: Sequence[Candidates]) -> list[References]:
        """The box that was said, of every sample. Raises ConfigError where the detector has found nothing there: its score
        would be 0, and its map as well."""
        references = [stated(one, _of_row(self.box, row), _of_row(self.of, row)) for row, one in enumerate(candidates)]
        there: list[bool] = torch.cat([one.there for one in references]).tolist()
        if not all(there):
            row = there.index(False)
            unit = "shares of the sides" if is_relative(self.format) else "the units of the output, as a rule pixels"
            raise ConfigError(
                f"target box: box: expected one that a detection of label {_of_row(self.of, row)} overlaps, got none in "
                f"sample {row}; boxes are in {unit}"
            )
        return references

    def _chosen(self, candidates: Sequence[Candidates]) -> list[References]:
        """The detections of the clean pass, of every sample; a device is waited for once for all samples."""
        orders, counts = zip(*(self._ranked(one, row) for row, one in enumerate(candidates)), strict=True)
        found: list[int] = torch.stack(counts).tolist()
        if not self.plural:
            self._check_ranks(found)
        ranks = self._ranks if self.above is None else tuple(range(1, max(1, *found) + 1))
        return [taken(*of_one, ranks) for of_one in zip(candidates, orders, found, strict=True)]

    def _ranked(self, one: Candidates, row: int) -> tuple[Tensor, Tensor]:
        labels, scores = one.best()
        allowed = torch.ones_like(labels, dtype=torch.bool)
        if self.of is not None:
            label = _of_row(self.of, row)
            check_class(one, label)
            allowed = labels == label
        if self.above is not None:
            allowed = allowed & (scores >= self.above)
        return ranked(one, allowed, self.shared, max(self._ranks) if self.above is None else None)

    def _check_ranks(self, found: Sequence[int]) -> None:
        """Raises ConfigError for a sample of too few detections."""
        for row, count in enumerate(found):
            if count < self._ranks[0]:
                which = "" if self.of is None else f" of label {_of_row(self.of, row)}"
                raise ConfigError(
                    f"target box: expected at least {self._ranks[0]} detections{which}, got {count} in sample {row}; "
                    "lower the detector's threshold"
                )


def _of_row(option: Any, row: int) -> Any:
    """What an option says of one sample."""
    return option[row % len(option)].tolist() if isinstance(option, Tensor) else option


@hookimpl
def xaikit_target() -> type:
    return Box
