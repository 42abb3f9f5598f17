"""Small run folders, made by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from xaikit.store.maps import encode, map_checksums
from xaikit.store.pictures import overlay_name, picture_name, save_picture
from xaikit.store.rows import ROWS
from xaikit.store.store import Store
from xaikit.store.trials import StoredTrial, from_table, to_table

BENCH = "bench1"
FINISH = {"rectify": "relu", "normalize": "max", "scale": "none", "resize": "input", "fuse": "mean"}
SIGNED: dict[str, Any] = {"finish": {**FINISH, "rectify": "none"}, "signed": True, "drops_negative": False}
PICTURE = Image.new("RGB", (6, 8), (90, 120, 60))


def trial(name: str = "gradcam", **more: Any) -> StoredTrial:
    """One trial; its finish, evidence and so on as given."""
    about: dict[str, Any] = {
        "bench": BENCH, "model": "resnet50", "data": "photos", "id": f"id-of-{name}", "evidence": "e1", "label": name,
        "name": name, "method": "gradcam", "options": {}, "target": {"use": "top", "k": 1}, "layers": ("layer3", "layer4"),
        "maps": ("q1/layer3", "q1/layer4"), "strides": (16.0, 32.0), "space": (8, 6), "seed": 0, "precision": "float32",
        "finish": FINISH, "signed": False, "drops_negative": True, "where": {}, **more,
    }  # fmt: skip
    return StoredTrial(**about)


def row(name: str = "cat.jpg", **more: Any) -> dict[str, Any]:
    """One row; what is not given is missing."""
    about = {"bench": BENCH, "evidence": "e1", "image": f"digest of {name}", "name": name, "column": 0, "target": 281}
    about |= {"target_name": "tabby", "score": 0.5, "prediction": 281, "prediction_name": "tabby", "probability": 0.97}
    return {**dict.fromkeys(ROWS.names), **about, "warnings": [], "seconds": 0.25, "file": "", "row": 0, **more}


def uncommitted(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows without the time of their commit and the checksum of their maps."""
    return [{**each, "commit": None, "checksum": None} for each in rows.to_pylist()]


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a shard has them."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=ROWS)


def maps(count: int = 1, columns: int = 1, seed: int = 0) -> dict[str, Tensor]:
    """Raw maps of two layers."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {"q1/layer3": (4, 4), "q1/layer4": (2, 2)}
    return {key: torch.randn(count, columns, *shape, generator=draw) for key, shape in shapes.items()}


def commit(
    store: Store,
    shard: str,
    rows: Sequence[Mapping[str, Any]],
    raw: Mapping[str, Tensor] | None = None,
    bench: str = BENCH,
) -> None:
    """Commit rows that have their maps in the file of this shard, a photograph a place."""
    names = list(dict.fromkeys(each["name"] for each in rows))
    columns = 1 + max((each["column"] for each in rows), default=0)
    raw = maps(len(names), columns) if raw is None else raw
    file = f"shards/{bench}/{shard}.safetensors"
    placed = [{**each, "bench": bench, "file": file, "row": names.index(each["name"])} for each in rows]
    tensors = {name: value for key, each in raw.items() for name, value in encode(key, each.numpy(), "float16").items()}
    keys = {each.evidence: each.maps for each in from_table(store.trials())}
    for each in placed:
        each["checksum"] = map_checksums(tensors, keys.get(each["evidence"], raw), [each["row"]])[0]
    store.commit(bench, shard, tensors, table(placed))


def photographs(names: Sequence[str], bench: str = BENCH, **images: str) -> pa.Table:
    """Photographs in that order; their stems are file stems. ``images`` are digests by stem."""
    stems = [Path(name).stem if names.count(name) == 1 else name for name in names]
    return pa.table(
        {
            "bench": pa.array([bench] * len(names), pa.string()),
            "position": pa.array(range(len(names)), pa.int64()),
            "name": pa.array(names, pa.string()),
            "stem": pa.array(stems, pa.string()),
            "image": pa.array([images.get(stem) for stem in stems], pa.string()),
            "truth": pa.nulls(len(names), pa.int32()),
        }
    )


def planned(
    where: str | Path, trials: Sequence[StoredTrial] = (), names: Sequence[str] = ("cat.jpg",), **images: str
) -> Store:
    """A folder with a plan, and nothing explained yet."""
    store = Store.claim(where)
    trials = trials or [trial()]
    benches = dict.fromkeys(each.bench for each in trials)
    shown = pa.concat_tables([photographs(names, bench, **images) for bench in benches])
    store.write_plan({"config": {"seed": 0}}, to_table(trials), shown)
    return store


def of_photos(folder: Path, *trials: StoredTrial, names: Sequence[str] = ("a.jpg",)) -> Store:
    """A plan of photographs in ``photos``."""
    return planned(folder, trials, [f"photos/{name}" for name in names])


def explain(store: Store, *names: str, trials: Sequence[str] = ("gradcam",), columns: int = 1, **more: Any) -> None:
    """Rows and pictures of some photographs in ``photos``, and overlays by some trials."""
    for name in names:
        commit(store, f"{name[0]}-shard", [row(f"photos/{name}", column=at, **more) for at in range(columns)])
        save_picture(store.folder, picture_name(Path(name).stem), PICTURE)
        for label in trials:
            for column in range(columns):
                save_picture(store.folder, overlay_name(Path(name).stem, label, column), PICTURE)


def everything(folder: Path) -> list[str]:
    """All files of a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
