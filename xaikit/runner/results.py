"""What comes out of a shard, put together: raw maps as they are stored, rows, and what failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from xaikit.bench.bench import Bench, map_key
from xaikit.bench.loader import Picture, UnreadablePicture
from xaikit.engine import Request
from xaikit.explanation import Explanation
from xaikit.pictures.places import written_place
from xaikit.plain.remarks import TOO_LARGE
from xaikit.planning.shards import Shard
from xaikit.runner.bisection import ExplainedBatch, PictureFailure
from xaikit.store.maps import Array, encode, map_checksums
from xaikit.store.rows import ROWS, Failure, identity_of
from xaikit.store.store import Store
from xaikit.targets import PinnedClasses, needs_labels, padding_of, places_of


class ShardResults:
    """The results of one shard as they come in. The row of a picture in the tensors is its place in the shard.

    pictures  by that place, those of which something was explained
    """

    def __init__(self, bench: Bench, shard: Shard) -> None:
        self.failures: list[Failure] = []
        self.pictures: dict[int, Picture] = {}
        self._bench = bench
        self._key = bench.opened.key
        self._number, self._classes = shard.number, bench.opened.loader.classes
        self._evidence = {key: bench.evidence[key] for key in shard.evidence}
        self._maps: dict[str, Tensor] = {}
        self._rows: list[dict[str, Any]] = []
        self._places = {bench.opened.photographs[at].name: place for place, at in enumerate(shard.positions)}

    def add_unreadable(self, unreadable: UnreadablePicture) -> None:
        """A photograph that could not be read."""
        self.failures.append(Failure(self._key, unreadable.photograph.name, unreadable.digest, error=unreadable.error))

    def add_failure(self, failure: PictureFailure) -> None:
        """A picture that could not be explained by some requests."""
        labels = {request.label for request in failure.requests}
        name, image = failure.picture.photograph.name, failure.picture.digest
        self.failures += [
            Failure(self._key, name, image, key, self._labelled(failure.error, key, request), failure.details)
            for key, request in self._evidence.items()
            if request.label in labels
        ]

    def _labelled(self, error: str, evidence: str, request: Request) -> str:
        """An error with the labels of the config, of which a request that several trials share has none."""
        labels = dict.fromkeys(each.trial.label for each in self._bench.trials if each.trial.evidence == evidence)
        return error.replace(repr(request.label), f"{', '.join(labels)} ({request.label})")

    def add(self, batch: ExplainedBatch, seconds: float) -> None:
        """Pictures that were explained together, in so many seconds."""
        places = [self._places[picture.photograph.name] for picture in batch.pictures]
        self.pictures.update(zip(places, batch.pictures, strict=True))
        for label, explanation in batch.explanations.items():
            self._add_maps(label, explanation, places)
        shared = list(self._shared_columns(batch, places))
        rows = [
            row
            for key, request in self._evidence.items()
            if request.label in batch.explanations
            for row in self._evidence_rows(key, request, batch, shared)
        ]
        self._rows += [{**row, "seconds": seconds / len(rows)} for row in rows]

    def commit(self, store: Store) -> str:
        """Write maps and rows; gives the name of the part.

        The name says what is in it and not where it was in the plan: the same photographs with the same maps have the same
        name, whoever computes them, and others never take their place.
        """
        stored_as = self._bench.opened.config.report.maps
        maps = {
            name: each for key, raw in self._maps.items() for name, each in encode(key, raw.numpy(), stored_as).items()
        }
        rows = self._table(maps)
        return store.commit(self._key, f"{self._number:06d}-{identity_of(rows)[:16]}", maps, rows)

    def _table(self, stored: Mapping[str, Array]) -> pa.Table:
        """The rows of the shard, whose maps are stored as these arrays."""
        keys = {
            key: [map_key(request.label, str(tap)) for tap in request.taps] for key, request in self._evidence.items()
        }
        places: dict[str, set[int]] = defaultdict(set)
        for each in self._rows:
            places[each["evidence"]].add(each["row"])
        checksums = {
            (key, row): checksum
            for key, rows in places.items()
            for row, checksum in zip(rows, map_checksums(stored, keys[key], rows), strict=True)
        }
        rows = [{**each, "checksum": checksums[each["evidence"], each["row"]]} for each in self._rows]
        return pa.Table.from_pylist(rows, schema=ROWS)

    def _add_maps(self, label: str, explanation: Explanation, places: Sequence[int]) -> None:
        for layer, raw in explanation.maps.items():
            maps, key = explanation.with_targets(raw), map_key(label, layer)
            stored = self._maps.get(key)
            # rows of what failed are never read, nor columns of what a picture has fewer of
            if stored is None or stored.shape[1] < maps.shape[1]:
                larger = torch.zeros(len(self._places), *maps.shape[1:])
                if stored is not None:
                    larger[:, : stored.shape[1]] = stored
                self._maps[key] = stored = larger
            stored[places, : maps.shape[1]] = maps.detach().to("cpu", torch.float32)

    def _shared_columns(self, batch: ExplainedBatch, places: Sequence[int]) -> Iterator[dict[str, Any]]:
        """What all rows of a picture have in common."""
        predictions = _predictions(batch.trace.output, len(places))
        for picture, place, (prediction, probability) in zip(batch.pictures, places, predictions, strict=True):
            yield {
                "bench": self._key,
                "image": picture.digest,
                "name": picture.photograph.name,
                "prediction": prediction,
                "prediction_name": self._classes.name(prediction),
                "probability": probability,
                "row": place,
            }

    def _evidence_rows(
        self, key: str, request: Request, batch: ExplainedBatch, shared: Sequence[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        explanation = batch.explanations[request.label]
        scores = explanation.scores.reshape(len(shared), -1).tolist()
        classes = explanation.target.indices if isinstance(explanation.target, PinnedClasses) else None
        targets = [[None] * len(row) for row in scores] if classes is None else classes.tolist()
        warnings = _warnings(explanation, request, len(shared))
        padding = None if (is_padded := padding_of(explanation.target)) is None else is_padded.tolist()
        for sample, columns in enumerate(shared):
            truth = batch.pictures[sample].label if needs_labels(request.target) else None
            places = places_of(explanation.target, sample, len(scores[sample]))
            for column, (score, target, place) in enumerate(zip(scores[sample], targets[sample], places, strict=True)):
                is_none = bool(padding and padding[sample][column])
                if is_none and column:
                    continue  # of a picture without any target one row says so
                target = place.get("label") if target is None else target
                yield {
                    **columns,
                    "evidence": key,
                    "truth": truth,
                    "column": column,
                    "target": target,
                    "target_name": self._classes.name(target),
                    "score": score,
                    "extent": written_place(place, batch.pictures[sample].rgb.size) if place else None,
                    "warnings": [*warnings[sample], *["no target in this picture"] * is_none],
                }


def _predictions(output: Any, count: int) -> list[tuple[int | None, float | None]]:
    """The class of the highest logit and its softmax, where the output is logits: the softmax of one says nothing."""
    if not isinstance(output, Tensor) or output.dim() != 2 or output.shape[1] < 2:
        return [(None, None)] * count
    best = output.float().softmax(1).max(1)
    return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))


def _warnings(explanation: Explanation, request: Request, count: int) -> list[list[str]]:
    """What there is to say of each picture's maps at the layers of this evidence."""
    warnings: list[list[str]] = [[] for _ in range(count)]
    layers = set(map(str, request.taps))
    for remark in explanation.warnings:
        if remark.layer in layers:
            times = f" ({remark.count})" if remark.count else ""
            warnings[remark.sample].append(f"{remark.layer}: {remark.reason}{times}")
    for layer in sorted(layers & {layer for layer, raw in explanation.maps.items() if raw.dtype == torch.float64}):
        raw = explanation.maps[layer]
        lost = raw.isfinite() & ~raw.float().isfinite()
        for sample in lost.flatten(1).any(1).nonzero().flatten().tolist():
            warnings[sample].append(f"{layer}: {TOO_LARGE}")
    return warnings
