"""A run that is broken off and goes on: its config, and the hashes of what it left."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from helpers.runs import config, pictures

PHOTOGRAPHS = tuple(f"{n:02d}.png" for n in range(24))


def config_in(folder: Path, **changes: Any) -> dict[str, Any]:
    pictures(folder / "photos", PHOTOGRAPHS)
    mapping = config(folder, methods=["gradcam", "layercam"], executor={"use": "serial", "threads": 1}, **changes)
    mapping["report"] |= {"shard": 4, "overlays": False}
    return mapping


def hashes(run: Path) -> dict[str, str]:
    """Of the maps to the bit, and of the rows without their times."""
    digests = {}
    for path in sorted((run / "shards").rglob("*.*")):
        if path.suffix == ".parquet":
            rows = pq.read_table(path).drop_columns(["seconds", "commit"]).to_pylist()
            digests[path.name] = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
        else:
            digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests
