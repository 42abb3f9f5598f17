"""Detections that were fixed on the clean pass, and what is scored of them later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from xaikit import ConfigError, XaikitError
from xaikit_targets._candidates import Candidates, Read, overlap
from xaikit_targets._classes import beside


class References(NamedTuple):
    """Of one sample: boxes (T, 4), labels, what they scored and whether there are so many, (T,) each, and the probabilities of
    all classes (T, classes), (T, 0) where the output does not tell."""

    boxes: Tensor
    labels: Tensor
    sure: Tensor
    there: Tensor
    shares: Tensor


def stated(candidates: Candidates, box: Sequence[float], label: int) -> References:
    """A box that somebody has said; it is there where a detection of its label overlaps it. Raises ConfigError where the
    detector has no such class."""
    check_class(candidates, label)
    boxes = candidates.boxes.detach()
    box_of, labels = boxes.new_tensor([box]), torch.tensor([label], device=boxes.device)
    _, alike = candidates.of(labels)
    there = (alike & (overlap(box_of, boxes) > 0)).any(1)
    # nobody knows how sure the detector was of it: no other is surer
    return References(box_of, labels, boxes.new_full((1,), torch.inf), there, boxes.new_zeros(1, 0))


def check_class(candidates: Candidates, label: int) -> None:
    """Raises ConfigError where the detector has no such class; of detections after suppression nobody knows."""
    boxes = candidates.boxes
    classes = candidates.shares(torch.zeros(0, dtype=torch.long, device=boxes.device)).shape[1]
    if classes and not 0 <= label < classes:
        raise ConfigError(f"target box: of: expected a class in 0 ... {classes - 1}, got {label}")


def taken(candidates: Candidates, order: Tensor, count: int, ranks: Sequence[int]) -> References:
    """Those of certain ranks, from 1, in an order of candidates, of which so many are meant."""
    boxes, (labels, scores) = candidates.boxes.detach(), candidates.best()
    there = torch.tensor([rank <= count for rank in ranks], device=boxes.device)
    if not len(boxes):  # the references of nothing are never scored
        empty = labels.new_zeros(len(ranks))
        return References(
            boxes.new_zeros(len(ranks), 4),
            empty,
            scores.detach().new_zeros(len(ranks)),
            there,
            candidates.shares(empty[:0]).new_zeros(len(ranks), 0),
        )
    at = torch.tensor([min(rank, max(count, 1)) - 1 for rank in ranks], device=order.device)
    best = order[at] if len(order) else at * 0
    return References(boxes[best], labels[best], scores.detach()[best], there, candidates.shares(best).detach())


@dataclass(frozen=True, eq=False)
class PinnedBox:
    """Reference boxes (N, T, 4) of every sample, their labels (N, T) and what they scored (N, T).

    there     (N, T), False where a sample has fewer than others
    shares    (N, T, classes), the probabilities of all classes; (N, T, 0) where the output does not tell
    read      from an output to the candidates of each sample
    relative  whether boxes are in shares of the sides
    """

    boxes: Tensor
    labels: Tensor
    sure: Tensor
    there: Tensor
    shares: Tensor
    read: Read
    plural: bool = False
    relative: bool = False
    spatial: ClassVar[bool] = True

    @property
    def padding(self) -> Tensor | None:
        """Where (N, T) a sample has fewer references than others."""
        return ~self.there if self.plural else None

    def scores(self, output: Any) -> Tensor:
        """(N, T)"""
        return torch.stack([self._scores(row, one) for row, one in enumerate(self._candidates(output))])

    def probabilities(self, output: Any) -> Tensor:
        """The similarity of D-RISE to the detection that is most like the reference, (N, T)."""
        return torch.stack([self._likeness(row, one) for row, one in enumerate(self._candidates(output))])

    def _candidates(self, output: Any) -> Sequence[Candidates]:
        candidates: Sequence[Candidates] = self.read(output)
        if len(candidates) != len(self.boxes):
            raise XaikitError(f"target box: expected detections of {len(self.boxes)} samples, got {len(candidates)}")
        return candidates

    def _scores(self, row: int, one: Candidates) -> Tensor:
        scores, alike = one.of(beside(self.labels[row], one.boxes))
        nothing = self._nothing(one)
        if not len(one.boxes):
            return nothing
        shared = overlap(self._boxes(row, one), one.boxes)
        # masked and not left out: how many are left is what a device would be waited for
        capped = torch.minimum(scores.detach(), beside(self.sure[row], scores).unsqueeze(1))
        again = (shared.detach() * capped).masked_fill(~alike, -torch.inf).argmax(1, keepdim=True)
        best = (shared * scores).gather(1, again).squeeze(1)
        return torch.where(alike.any(1), best, nothing)

    def _likeness(self, row: int, one: Candidates) -> Tensor:
        if not len(one.boxes):
            return self._nothing(one)
        likeness = one.likeness(beside(self.labels[row], one.boxes), beside(self.shares[row], one.boxes))
        return (overlap(self._boxes(row, one), one.boxes) * likeness).amax(1)

    def _boxes(self, row: int, one: Candidates) -> Tensor:
        return self.boxes[row].to(one.boxes.device, one.boxes.dtype).clone()

    def _nothing(self, one: Candidates) -> Tensor:
        """Zeros (T,) that are part of the graph, also of no detection at all."""
        return (0 * (one.best()[1].sum() + one.boxes.sum())).expand(self.labels.shape[1])

    def place(self, sample: int) -> list[Mapping[str, Any]]:
        """The references of a sample, each with its class."""
        rows = (self.boxes[sample].tolist(), self.labels[sample].tolist(), self.there[sample].tolist())
        unit = {"relative": True} if self.relative else {}
        return [
            {"corners": box, "label": label, **unit} if there else {} for box, label, there in zip(*rows, strict=True)
        ]

    def __str__(self) -> str:
        rows = zip(self.labels.tolist(), self.boxes.tolist(), self.there.tolist(), strict=True)
        return " or ".join(dict.fromkeys(self._named(*row) for row in rows))

    def _named(self, labels: Sequence[int], boxes: Sequence[Sequence[float]], there: Sequence[bool]) -> str:
        form = "{:.2f}" if self.relative else "{:.0f}"
        texts = [
            f"class {label} in {', '.join(map(form.format, box))}" for label, box in zip(labels, boxes, strict=True)
        ]
        return "; ".join(text for text, is_there in zip(texts, there, strict=True) if is_there) or "no detection"

    def rows(self, index: Tensor) -> PinnedBox:
        """The references of chosen samples."""
        held = {name: getattr(self, name) for name in ("boxes", "labels", "sure", "there", "shares")}
        return replace(self, **{name: value[index.to(value.device)] for name, value in held.items()})
