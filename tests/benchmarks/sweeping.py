"""What sweeps cost: ``python tests/benchmarks/sweeping.py [trials] [memory] [query] [expand]`` prints each as one line of JSON.

trials  144 trials on 64 photographs with EfficientNet-Lite0, beside the bare loop of decoding and one forward over the same
        photographs (side by side, alternating), and beside pytorch-grad-cam on a slice, scaled to all of it
memory  the resident memory of this process while 10,000 synthetic photographs go through a small model
query   a million stored records by duckdb
expand  100,000 points of a sweep
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from PIL import Image

import xaikit
from xaikit.config import load
from xaikit.passes import allocator
from xaikit.registry import Registry
from xaikit.report.report import Report
from xaikit.runner.watch import Unwatched
from xaikit.store.rows import ROWS
from xaikit.store.store import Store
from xaikit.store.trials import StoredTrial, to_table
from xaikit.trials.expansion import expand

METHODS = ("gradcam", "gradcampp", "xgradcam", "layercam", "hirescam", "elementcam")
LAYERS = (["bn2"], ["blocks.4"], ["blocks.4", "bn2"], ["blocks.2", "blocks.4", "bn2"])
ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", 3))
PHOTOGRAPHS = int(os.environ.get("BENCHMARK_PHOTOGRAPHS", 64))
BATCH = int(os.environ.get("BENCHMARK_BATCH", 16))
DEVICE = os.environ.get("BENCHMARK_DEVICE", "cpu")


def photographs(folder: Path, count: int, size: int) -> Path:
    """Noise under smooth shades, as JPEG files."""
    folder.mkdir(parents=True)
    for place in range(count):
        draw = torch.Generator().manual_seed(place)
        small = torch.rand(1, 3, 8, 8, generator=draw)
        shades = torch.nn.functional.interpolate(small, size=(size, size), mode="bicubic").clamp(0, 1)[0]
        noisy = (shades + 0.05 * torch.randn(shades.shape, generator=draw)).clamp(0, 1)
        Image.fromarray((noisy.permute(1, 2, 0) * 255).byte().numpy()).save(folder / f"{place:05d}.jpg", quality=90)
    return folder


def swept(folder: Path, photos: Path) -> dict[str, Any]:
    """The 144 trials."""
    finishes = [{"scale": "none"}, {"scale": {"use": "tanh", "gamma": 2.0}}, {"normalize": "minmax"}]
    return {
        "name": "benchmark",
        "device": DEVICE,
        "model": {"source": "samples"},
        "data": {"source": "folder", "path": str(photos), "batch_size": BATCH, "workers": 2},
        "methods": list(METHODS),
        "report": {"to": str(folder), "overlays": False},
        "sweep": {"layers": [list(layers) for layers in LAYERS], "finish": finishes, "target": ["top1", 285]},
    }


def trials() -> dict[str, Any]:
    """Ratios of the sweep to the bare loop and to the peer."""
    root = Path(tempfile.mkdtemp())
    photos = photographs(root / "photos", PHOTOGRAPHS, 500)
    mapping = swept(root / "run", photos)
    registry = Registry()
    from xaikit.bench.loader import Picture
    from xaikit.bench.resolve import resolve_bench
    from xaikit.trials.placement import groups

    config = load(mapping, registry=registry)
    opened = resolve_bench(config, groups(expand(config, registry))[0], registry).opened

    def bare() -> float:
        began = time.perf_counter()
        batches = [opened.photographs[start : start + BATCH] for start in range(0, PHOTOGRAPHS, BATCH)]
        with torch.no_grad():
            for batch in opened.loader.batches(batches):
                inputs = torch.stack([p.pixels for p in batch if isinstance(p, Picture)])
                opened.model.module(inputs.to(opened.device)).cpu()  # waits for what was computed
        return time.perf_counter() - began

    def sweep() -> float:
        from xaikit.runner import steps

        began: list[float] = []

        class Watch(Unwatched):
            """The model is open and probed when the run starts; opening it does not count."""

            def started(self, plan: Any) -> None:
                began.append(time.perf_counter())

        shutil.rmtree(root / "run", ignore_errors=True)
        report = steps.run(mapping, watcher=Watch())
        took = time.perf_counter() - began[0]
        assert len(report.trials) == 144, len(report.trials)
        assert not report.failures, report.failures[:3]
        return took

    bare()
    pairs = [(bare(), sweep()) for _ in range(ROUNDS)]
    loop, ours = (min(times) for times in zip(*pairs, strict=True))
    peer = _peer(opened, config) * PHOTOGRAPHS
    shutil.rmtree(root)
    return {
        "bare_seconds": round(loop, 2),
        "sweep_seconds": round(ours, 2),
        "ratio": round(ours / loop, 2),
        "peer_seconds_scaled": round(peer, 1),
        "times_faster_than_peer": round(peer / ours, 1),
    }


def _peer(opened: Any, config: Any) -> float:
    """Seconds of pytorch-grad-cam for one photograph's share of the same maps: every method, layer set and target, once for
    each finish as it has no other way; elementcam stands in its library under its own name."""
    from pytorch_grad_cam import GradCAM, GradCAMElementWise, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model = opened.model.module
    picture = opened.loader.read(opened.photographs[0])
    batch = picture.pixels.unsqueeze(0).repeat(4, 1, 1, 1).to(opened.device)
    names = dict(model.named_modules())
    began = time.perf_counter()
    for method in (GradCAM, GradCAMPlusPlus, XGradCAM, LayerCAM, HiResCAM, GradCAMElementWise):
        for layers in LAYERS:
            for target in (None, [ClassifierOutputTarget(285)] * 4):
                with method(model=model, target_layers=[names[layer] for layer in layers]) as cam:
                    cam(input_tensor=batch, targets=target)
    return 3 * (time.perf_counter() - began) / 4


MODEL = """
import torch
from torch import nn
def tiny():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
"""


def memory() -> dict[str, Any]:
    """MiB resident after so many photographs."""
    root = Path(tempfile.mkdtemp())
    photos = photographs(root / "photos", 10_000, 48)
    (root / "models.py").write_text(MODEL)
    resident: dict[int, float] = {}

    class Watch(Unwatched):
        count = 0

        def advanced(self, receipt: Any) -> None:
            self.count += receipt.photographs
            if self.count % 1024 < 64 or self.count >= 10_000:
                resident[self.count] = _resident()

    from xaikit.runner import steps

    steps.run(
        {
            "model": {"source": "importpath", "factory": f"{root}/models.py:tiny"},
            "data": {
                "source": "folder",
                "path": str(photos),
                "batch_size": 32,
                "transform": {"size": 32, "crop": 32, "mean": [0.5] * 3, "std": [0.5] * 3},
            },
            "methods": ["gradcam", "layercam"],
            "report": {"to": str(root / "run"), "overlays": False},
        },
        watcher=Watch(),
    )
    shutil.rmtree(root)
    return {"mib_by_photographs": resident, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def query() -> dict[str, Any]:
    """Seconds of SQL over a million stored rows in 100 parts."""
    root = Path(tempfile.mkdtemp())
    store = Store.claim(root / "run")
    names = [f"{n}.jpg" for n in range(50_000)]
    made = [_trial(f"e{n:02d}") for n in range(20)]
    table = {"bench": ["b"] * 50_000, "position": range(50_000), "name": names, "stem": names}
    unknown = {"image": pa.nulls(50_000, pa.string()), "truth": pa.nulls(50_000, pa.int32())}
    store.write_plan({"benches": ["b"]}, to_table(made), pa.table({**table, **unknown}))
    for part in range(100):
        chosen = names[part * 500 : (part + 1) * 500]
        rows = [
            {"bench": "b", "evidence": trial.evidence, "image": name, "name": name, "column": 0, "target": 1, "score": 0.5,
             "target_name": "cat", "prediction": 1, "prediction_name": "cat", "probability": 0.9, "warnings": [],
             "seconds": 0.1, "file": "f", "row": 0, "commit": part}
            for name in chosen
            for trial in made
        ]  # fmt: skip
        store.write_part(f"shards/b/{part:04d}.parquet", pa.Table.from_pylist(rows, schema=ROWS), {})
    report: Report = Report(root / "run")
    took = []
    for _ in range(3):
        began = time.perf_counter()
        rows = report.query("SELECT trial, count(*) AS n, avg(score) AS score FROM records GROUP BY trial").to_pylist()
        took.append(time.perf_counter() - began)
    assert sum(row["n"] for row in rows) == 1_000_000
    shutil.rmtree(root)
    return {"records": 1_000_000, "parts": 100, "seconds": round(min(took), 3)}


def _trial(evidence: str) -> StoredTrial:
    return StoredTrial(
        bench="b", model="m", data="d", id=evidence, evidence=evidence, label=evidence, name=evidence, method="gradcam",
        options={}, target={"use": "top"}, layers=("a",), maps=("k",), strides=(32.0,), space=(224, 224), seed=0,
        precision="float32", finish={"rectify": "relu"}, signed=False, drops_negative=True, where={},
    )  # fmt: skip


def expanded() -> dict[str, Any]:
    """Seconds for 100,000 points with their trials, keys and names."""
    sources = {"model": {"source": "samples"}, "data": {"source": "samples"}}
    shapes = {
        "seeds_x_option": ({"smoothgradcampp": {}}, {"seed": "0..999", "methods.smoothgradcampp.std": _values(100)}),
        "four_axes": (
            {"gradcam": {}, "layercam": {"finish": {"scale": "tanh"}}},
            {
                "seed": "0..9",
                "target": list(range(10)),
                "layers": [[f"blocks.{n}"] for n in range(10)],
                "methods.layercam.finish.scale.gamma": _values(100),
            },
        ),
    }
    timings = {}
    for name, (methods, axes) in shapes.items():
        registry = Registry()
        config = load({**sources, "methods": methods, "sweep": axes}, registry=registry)
        began = time.perf_counter()
        points = expand(config, registry)
        timings[name] = {"points": len(points), "seconds": round(time.perf_counter() - began, 2)}
    return timings


def _values(count: int) -> list[float]:
    return [round(0.1 + 0.01 * n, 2) for n in range(count)]


WHAT = {"trials": trials, "memory": memory, "query": query, "expand": expanded}

if __name__ == "__main__":
    allocator.settle()
    for name in sys.argv[1:] or WHAT:
        print(json.dumps({name: WHAT[name](), "torch": torch.__version__, "xaikit": xaikit.__version__}), flush=True)
