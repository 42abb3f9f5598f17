"""What a run shows beside what it computes: the share of drawing, and what the plan said beside what was taken.

``python -m benchmarks.showing`` in the folder ``tests``: ResNet-50, six methods at three layers, photographs of 224 pixels.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xaikit.planning.planned import Plan
from xaikit.runner import steps
from xaikit.runner.watch import Unwatched

METHODS = ("gradcam", "gradcampp", "xgradcam", "layercam", "hirescam", "elementcam")
LAYERS = ("layer2", "layer3", "layer4")


def config(folder: Path, count: int) -> dict[str, Any]:
    """A run on pictures that compress as photographs do: noise, smoothed."""
    draw, photos = np.random.default_rng(0), folder / "photos"
    photos.mkdir()
    for number in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (60, 80, 3), np.uint8)).resize(
            (480, 360), Image.Resampling.BICUBIC
        )
        fine = Image.fromarray(draw.integers(0, 256, (360, 480, 3), np.uint8))
        Image.blend(coarse, fine, 0.1).save(photos / f"{number:03}.jpg", quality=92)
    methods = {f"{name}-{layer}": {"use": name, "layers": [layer]} for name in METHODS for layer in LAYERS}
    return {
        "model": {"source": "torchvision", "name": "resnet50", "weights": None},
        "data": {"source": "folder", "path": str(photos)},
        "methods": methods,
        "report": {"to": str(folder / "run")},
    }


class Watch(Unwatched):
    """Keeps the plan, and when the run began."""

    plan: Plan

    def started(self, plan: Plan) -> None:
        self.plan, self.began = plan, time.perf_counter()


def measured(count: int) -> dict[str, float]:
    """One run: its seconds and bytes, as planned and as taken."""
    with tempfile.TemporaryDirectory() as name:
        folder, watch = Path(name), Watch()
        report = steps.run(config(folder, count), watcher=watch)
        taken = time.perf_counter() - watch.began
        files = [path for path in (folder / "run").rglob("*") if path.is_file()]
        plan = watch.plan
        return {
            "seconds planned": plan.seconds,
            "seconds taken": taken,
            "MiB planned": (sum(bench.total_bytes for bench in plan.benches) + plan.sheet) / 2**20,
            "MiB taken": sum(path.stat().st_size for path in files) / 2**20,
            "overlays": float(plan.benches[0].overlays),
            "pages": float(len(report.sheets)),
            **{
                f"seconds of {step}": seconds for step, seconds in report.manifest["seconds"].items() if step != "total"
            },
        }


def main() -> None:
    """Print the figures of one run."""
    parser = argparse.ArgumentParser(
        description="The share of drawing in a run, and what was said beside what was taken."
    )
    parser.add_argument("--photographs", type=int, default=50)
    figures = measured(parser.parse_args().photographs)
    for name, value in figures.items():
        print(f"{name:20} {value:8.1f}")
    time_off, disk_off = (figures[f"{unit} taken"] / figures[f"{unit} planned"] for unit in ("seconds", "MiB"))
    print(f"drawing is {figures['seconds of draw'] / figures['seconds taken']:.0%} of the run")
    print(f"taken / planned: {time_off:.2f} of the time, {disk_off:.2f} of the disk")


if __name__ == "__main__":
    main()
