"""What comes out of a shard, put together: raw maps as they are kept, rows, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from xaikit.bench.bench import Bench, PlannedEvidence, map_key
from xaikit.bench.loader import Picture, UnreadablePicture
from xaikit.engine import Request
from xaikit.explanation import Explanation
from xaikit.runner.bisection import ExplainedBatch, PictureFailure
from xaikit.runner.shards import Shard
from xaikit.store import ROWS, Failure, encode
from xaikit.targets import PinnedClasses


class ShardResults:
    """The results of one shard as they come in. The row of a picture in the tensors is its place in the shard."""

    def __init__(self, bench: Bench, shard: Shard) -> None:
        self.bench = bench
        self.shard = shard
        self.requests: list[Request] = bench.requests(shard.evidence)
        self.failures: list[Failure] = []
        self.pictures: dict[int, Picture] = {}
        self._maps: dict[str, Tensor] = {}
        self._rows: dict[str, list[Any]] = {field.name: [] for field in ROWS}
        self._place = {bench.photographs[at].name: row for row, at in enumerate(shard.positions)}

    def unread(self, unread: UnreadablePicture) -> None:
        """A photograph that could not be read."""
        self.failures.append(Failure(self.bench.key, unread.photograph.name, unread.digest, error=unread.error))

    def fault(self, fault: PictureFailure) -> None:
        """A picture that could not be explained by some requests."""
        labels = {request.label for request in fault.requests}
        for evidence in self.shard.evidence:
            if self.bench.asked[evidence].request.label in labels:
                name, image = fault.picture.photograph.name, fault.picture.digest
                self.failures.append(Failure(self.bench.key, name, image, evidence, fault.error, fault.details))

    def add(self, part: ExplainedBatch, seconds: float) -> None:
        """Pictures that were explained together."""
        places = [self._place[picture.photograph.name] for picture in part.pictures]
        self.pictures.update(zip(places, part.pictures, strict=True))
        for label, explanation in part.explanations.items():
            self._keep(label, explanation, places)
        answered = [key for key in self.shard.evidence if self._asked(key).request.label in part.explanations]
        seen = _Seen(self.bench, part)
        before = len(self._rows["name"])
        for evidence in answered:
            asked = self._asked(evidence)
            self._note(asked, part.explanations[asked.request.label], part.pictures, places, seen)
        added = len(self._rows["name"]) - before
        self._rows["seconds"] += [seconds / max(added, 1)] * added

    @cached_property
    def encoded(self) -> dict[str, Tensor]:
        """The tensors of the shard's file."""
        kept = self.bench.config.report.maps
        return {name: stored for key, raw in self._maps.items() for name, stored in encode(key, raw, kept).items()}

    def table(self) -> pa.Table:
        """The rows of the shard."""
        file = f"shards/{self.bench.key}/{self.shard.name}.safetensors"
        count = len(self._rows["name"])
        return pa.table({**self._rows, "bench": [self.bench.key] * count, "file": [file] * count}, schema=ROWS)

    def _asked(self, evidence: str) -> PlannedEvidence:
        return self.bench.asked[evidence]

    def _keep(self, label: str, explanation: Explanation, places: Sequence[int]) -> None:
        for layer, raw in explanation.maps.items():
            maps = raw if explanation.target.plural else raw.unsqueeze(1)
            key = map_key(label, layer)
            if key not in self._maps:
                # float32 as they are kept; rows of what failed are never read
                self._maps[key] = torch.zeros(len(self._place), *maps.shape[1:])
            self._maps[key][places] = maps.detach().to("cpu", torch.float32)

    def _note(
        self,
        asked: PlannedEvidence,
        explanation: Explanation,
        pictures: Sequence[Picture],
        places: Sequence[int],
        seen: _Seen,
    ) -> None:
        labelled = asked.request.label in self.bench.labelled
        scores = explanation.scores.reshape(len(pictures), -1).tolist()
        targets = _targets(explanation, scores)
        warnings = _warnings(explanation, asked, len(pictures))
        rows = self._rows
        for row, (picture, place) in enumerate(zip(pictures, places, strict=True)):
            for column, score in enumerate(scores[row]):
                rows["evidence"].append(asked.evidence)
                rows["image"].append(picture.digest)
                rows["name"].append(picture.photograph.name)
                rows["truth"].append(picture.label if labelled else None)
                rows["column"].append(column)
                rows["target"].append(targets[row][column])
                rows["target_name"].append(seen.class_name(targets[row][column]))
                rows["score"].append(score)
                rows["prediction"].append(seen.predictions[row])
                rows["prediction_name"].append(seen.class_name(seen.predictions[row]))
                rows["probability"].append(seen.probabilities[row])
                rows["warnings"].append(warnings[row])
                rows["row"].append(place)


class _Seen:
    """What the model said of some pictures: the class of the highest logit and its softmax, where the output is logits."""

    def __init__(self, bench: Bench, part: ExplainedBatch) -> None:
        self._classes = bench.opened.classes
        self.predictions: list[int | None] = [None] * len(part.pictures)
        self.probabilities: list[float | None] = [None] * len(part.pictures)
        output = part.trace.output
        # the softmax of one logit says nothing
        if isinstance(output, Tensor) and output.dim() == 2 and output.shape[1] > 1:
            best = output.float().softmax(1).max(1)
            self.predictions = best.indices.tolist()
            self.probabilities = best.values.tolist()

    def class_name(self, index: int | None) -> str:
        """In words; "" where the target is no class."""
        if index is None:
            return ""
        known = self._classes is not None and index < len(self._classes)
        return self._classes[index] if known and self._classes is not None else f"class {index}"


def _targets(explanation: Explanation, scores: list[list[float]]) -> list[list[int | None]]:
    if isinstance(explanation.target, PinnedClasses):
        found: list[list[int | None]] = explanation.target.indices.tolist()
        return found
    return [[None] * len(row) for row in scores]


def _warnings(explanation: Explanation, asked: PlannedEvidence, count: int) -> list[list[str]]:
    """What there is to say of each picture's maps at the layers of this evidence."""
    found: list[list[str]] = [[] for _ in range(count)]
    layers = set(map(str, asked.taps))
    for remark in explanation.warnings:
        if remark.layer in layers:
            times = f" ({remark.count})" if remark.count else ""
            found[remark.sample].append(f"{remark.layer}: {remark.reason}{times}")
    return found
