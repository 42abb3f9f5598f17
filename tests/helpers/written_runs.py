"""Run folders written by hand: what is in them is exactly what a test says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from xaikit.report.report import Report
from xaikit.store.maps import encode, map_checksums
from xaikit.store.rows import ROWS
from xaikit.store.store import Store
from xaikit.store.trials import StoredTrial, to_table

FINISH = {"rectify": "relu", "normalize": "none", "scale": "none", "resize": "none", "fuse": "mean"}
LAYERS = ("body",)


def stored(name: str, **changes: Any) -> StoredTrial:
    """A trial on one bench, whose evidence is its own unless it says otherwise."""
    layers = changes.get("layers", LAYERS)
    evidence = changes.get("evidence", f"evidence of {name}")
    values: dict[str, Any] = {
        "bench": "bench",
        "model": "tiny",
        "data": "photos",
        "id": f"id of {name}",
        "evidence": evidence,
        "label": name,
        "name": name,
        "method": "grad",
        "options": {},
        "target": {"use": "top"},
        "layers": layers,
        "maps": tuple(f"{evidence}|{layer}" for layer in layers),
        "strides": (8.0,) * len(layers),
        "space": (8, 8),
        "seed": 0,
        "precision": "float32",
        "finish": FINISH,
        "signed": False,
        "drops_negative": True,
        "where": {},
    }
    return StoredTrial(**{**values, **changes})


@dataclass(frozen=True)
class Shot:
    """One photograph by one trial: raw maps (T, *S) by layer, and what is noted for each of the T places."""

    name: str
    trial: StoredTrial
    maps: Mapping[str, Tensor]
    score: float = 1.0
    image: str = ""
    noted: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return self.image or hashlib.sha256(self.name.encode()).hexdigest()


def written(folder: Path, trials: Sequence[StoredTrial], shots: Sequence[Shot], together: int = 2) -> Report:
    """A run of these shots, in parts of some photographs each."""
    store = Store.claim(folder)
    photographed = dict.fromkeys((shot.trial.bench, shot.name, shot.digest) for shot in shots)
    benches, names, digests = zip(*photographed, strict=True) if photographed else ((), (), ())
    stems = [f"p{place}" for place in range(len(photographed))]
    about = {"bench": benches, "position": range(len(photographed)), "name": names, "stem": stems, "image": digests}
    schema = pa.schema(
        [
            (key, pa.int32() if key == "position" else pa.string())
            for key in ("bench", "position", "name", "stem", "image")
        ]
    )
    photographs = pa.table({key: list(value) for key, value in about.items()}, schema=schema)
    photographs = photographs.append_column("truth", pa.nulls(photographs.num_rows, pa.int32()))
    store.write_plan({"benches": sorted({trial.bench for trial in trials})}, to_table(trials), photographs)
    for bench in dict.fromkeys(benches):
        of_bench = [key for key in photographed if key[0] == bench]
        for start in range(0, len(of_bench), together):
            _commit(store, bench, f"{start:06d}", of_bench[start : start + together], shots)
    return Report(folder)


def _commit(
    store: Store, bench: str, shard: str, photographed: Sequence[tuple[str, ...]], shots: Sequence[Shot]
) -> None:
    maps: dict[str, Tensor] = {}
    rows: list[dict[str, Any]] = []
    keys: dict[str, tuple[str, ...]] = {}
    for place, key in enumerate(photographed):
        for shot in (shot for shot in shots if (shot.trial.bench, shot.name, shot.digest) == key):
            for name, layer in zip(shot.trial.maps, shot.trial.layers, strict=True):
                raw = shot.maps[layer]
                maps.setdefault(name, torch.zeros(len(photographed), *raw.shape))[place] = raw
            rows += _rows(shot, f"shards/{bench}/{shard}.safetensors", place)
            keys[shot.trial.evidence] = shot.trial.maps
    encoded = {name: value for key, raw in maps.items() for name, value in encode(key, raw.numpy(), "float32").items()}
    for each in rows:
        each["checksum"] = map_checksums(encoded, keys[each["evidence"]], [each["row"]])[0]
    store.commit(bench, shard, encoded, pa.Table.from_pylist(rows, schema=ROWS))


def _rows(shot: Shot, file: str, place: int) -> list[dict[str, Any]]:
    values = {
        "bench": shot.trial.bench,
        "evidence": shot.trial.evidence,
        "image": shot.digest,
        "name": shot.name,
        "target": 3,
        "target_name": "class 3",
        "score": shot.score,
        "prediction": 3,
        "prediction_name": "class 3",
        "probability": 0.5,
        "warnings": [],
        "seconds": 0.1,
        "file": file,
        "row": place,
        **shot.noted,
    }
    return [{**values, "column": column} for column in range(len(next(iter(shot.maps.values()))))]
