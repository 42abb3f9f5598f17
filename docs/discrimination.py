"""How much of a method's positive map lies where its class is: on a collage of photographs, or on a picture of one's own.

``python docs/discrimination.py`` writes docs/discrimination.json, which docs/generate.py makes the table of
docs/methods.md of. ``python docs/discrimination.py --picture dogs.png --cell "243: 0,0,1,0.5" --cell "281: 0,0.5,1,1"``
prints the same table for a picture: class index, then left, top, right and bottom in shares of the sides.
"""

from __future__ import annotations

import argparse
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from generate import HERE, discrimination_table
from PIL import Image
from torch import Tensor, nn

import xaikit
from xaikit.errors import XaikitError
from xaikit.needs import Needs
from xaikit.pictures.overlay import overlay
from xaikit.registry import Registry, needs_of, traits_of

SIDE = 448
COLLAGE = {"chelsea": 282, "coffee": 967, "rocket": 657, "motorcycle_left": None}
"""Row by row, with the class that is asked for; the last one is there to be taken for another."""

CHEAPER: dict[str, dict[str, Any]] = {
    "scorecam": {"top_channels": 64},
    "iscam": {"top_channels": 32, "n": 4},
    "sscam": {"top_channels": 32, "n": 4},
    "sess": {"scales": 6},
    "expectedgradients": {"samples": 16},
    "smoothgrad": {"n": 16},
    "vargrad": {"n": 16},
    "occlusion": {"window": 64, "stride": 32},
    "rise": {"masks": 400},
    "drise": {"masks": 400},
    "kernelshap": {"samples": 200},
    "lime": {"samples": 200},
}
"""Options of methods that would take minutes with their defaults."""

POSITIVE = {"rectify": "relu", "normalize": "max", "scale": "none"}
"""The same finish for all: were some rectified behind the upsampling, as papers without a ReLU ask for, equal maps differed."""

CONTROLS = ("eigencam", "lafam", "fem", "randomcam", "edges", "center", "uniform")
"""Methods that do not know the class, for comparison."""


@dataclass(frozen=True)
class Cell:
    """Where a class is: left, top, right and bottom in shares of the sides."""

    index: int
    box: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"cell: expected left, top, right, bottom in 0 ... 1, got {self.box}")

    def area(self) -> float:
        """The share of the picture, which a map that knows nothing has of itself in the cell."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    def cover(self, height: int, width: int) -> Tensor:
        """How much of each pixel lies in the cell, (height, width)."""
        left, top, right, bottom = self.box
        return _along(top, bottom, height).unsqueeze(1) * _along(left, right, width)


def _along(start: float, end: float, pixels: int) -> Tensor:
    edges = torch.arange(pixels, dtype=torch.float64)
    return ((edges + 1).clamp_max(end * pixels) - edges.clamp_min(start * pixels)).clamp(0, 1)


def cell(text: str) -> Cell:
    """A cell from the command line, ``281: 0,0.5,1,1``.

    Raises:
        ValueError: it is not written so.
    """
    index, _, box = text.partition(":")
    sides = [float(side) for side in box.split(",")]
    if len(sides) != 4:
        raise ValueError(f"cell: expected 'class: left,top,right,bottom', got {text!r}")
    return Cell(int(index), (sides[0], sides[1], sides[2], sides[3]))


def shares(maps: Tensor, cells: Sequence[Cell]) -> list[float]:
    """Of the positive part of each class's map (T, H, W), the share in its own cell; NaN where there is none."""
    positive = maps.detach().cpu().double().clamp_min(0)
    own = torch.stack([one.cover(*positive.shape[1:]) for one in cells])
    found: list[float] = ((positive * own).sum((1, 2)) / positive.sum((1, 2))).tolist()
    return found


def collage(transform: Any) -> tuple[Image.Image, list[Cell]]:
    """The photographs of :data:`COLLAGE` in two rows, each as the model would see it by itself, and the classes' cells."""
    data = Registry().find("data", "samples").cls(names=list(COLLAGE))
    pictures = [Image.open(io.BytesIO(one.read())).convert("RGB") for one in data.photographs()]
    whole, cells, half = Image.new("RGB", (SIDE, SIDE)), [], SIDE // 2
    for place, (picture, index) in enumerate(zip(pictures, COLLAGE.values(), strict=True)):
        row, column = divmod(place, 2)
        whole.paste(transform.picture(picture).resize((half, half)), (column * half, row * half))
        if index is not None:
            cells.append(Cell(index, (column / 2, row / 2, (column + 1) / 2, (row + 1) / 2)))
    return whole, cells


def methods(controls: Sequence[str] = CONTROLS) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What is asked of every class-specific method and the controls; and of those that cannot be asked, why."""
    asked: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for name in class_specific():
        needs = needs_of(Registry().find("method", name).cls) or Needs()
        if needs.attention:
            left_out[name] = "reads attention, of which this model has none"
        else:
            asked[name] = {"use": name, **CHEAPER.get(name, {})}
    return asked | {name: {"use": name} for name in controls}, left_out


def class_specific() -> list[str]:
    """The methods of xaikit itself that say so."""
    registry = Registry()
    own = [entry.name for entry in registry.catalogue("method") if entry.distribution == "xaikit"]
    return [name for name in own if "class_specific" in (traits_of(registry.find("method", name).cls) or ())]


def explained(
    model: nn.Module, inputs: Tensor, cells: Sequence[Cell], asked: Mapping[str, dict[str, Any]]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The finished maps (T, H, W) of every method, from one call; and what those said that refuse this model."""
    target = {"use": "classes", "of": [one.index for one in cells]}
    try:
        found = xaikit.explain(model, inputs, dict(asked), target=target, finish=POSITIVE)
    except XaikitError as error:
        if len(asked) == 1:
            return {}, {name: f"{type(error).__name__}: {error}" for name in asked}
        each = [explained(model, inputs, cells, {name: options}) for name, options in asked.items()]
        return {n: m for maps, _ in each for n, m in maps.items()}, {n: s for _, said in each for n, s in said.items()}
    return {name: one.map[0] for name, one in found.items() if one.map is not None}, {}


def measured(
    model: nn.Module, inputs: Tensor, cells: Sequence[Cell], asked: Mapping[str, dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the table says: rows with their shares, the best mean first; and the maps."""
    maps, refused = explained(model, inputs, cells, asked)
    known = set(class_specific())
    rows: list[dict[str, Any]] = []
    for name, saliency in maps.items():
        own = shares(saliency, cells)
        options = {key: value for key, value in asked[name].items() if key != "use"}
        said = [None if math.isnan(share) else round(share, 3) for share in own]
        mean = sum(own) / len(own)  # NaN with one of them: a class without a map is no success
        row = {"method": name, "options": options, "class_specific": name in known, "shares": said}
        rows.append(row | {"mean": None if math.isnan(mean) else round(mean, 3)})
    rows.sort(key=lambda row: (not row["class_specific"], -(row["mean"] or 0), row["method"]))
    return {"rows": rows, "left_out": refused}, maps


def opened(file: Path, longest: int) -> Image.Image:
    """A picture with its longer side as long as that."""
    picture = Image.open(file).convert("RGB")
    factor = longest / max(picture.size)
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="a picture of one's own instead of the collage")
    parser.add_argument("--cell", type=cell, action="append", default=[], help="class: left,top,right,bottom")
    parser.add_argument("--longest", type=int, default=SIDE, help="the longer side that the model sees")
    parser.add_argument("--overlays", type=Path, help="a folder for the maps on the picture")
    asked = parser.parse_args(arguments)
    if bool(asked.picture) != bool(asked.cell):
        parser.error("--picture and --cell go together")
    return asked


def main(arguments: Sequence[str] | None = None) -> None:
    """The collage and docs/discrimination.json, or a picture and nothing but what is printed."""
    asked = _asked(arguments)
    model = Registry().find("model", "samples").cls().open()
    picture, cells = collage(model.transform)
    if asked.picture:
        picture, cells = opened(asked.picture, asked.longest), asked.cell
    wanted, left_out = methods()
    found, maps = measured(model.module, model.transform.tensor(picture).unsqueeze(0), cells, wanted)
    found = {
        "model": "EfficientNet-Lite0 of xaikit[demo]",
        "size": list(picture.size),
        "cells": [{"class": one.index, "name": model.classes[one.index], "box": list(one.box)} for one in cells],
        **found,
        "left_out": left_out | found["left_out"],
    }
    print(discrimination_table(found))
    if asked.overlays:
        _draw(asked.overlays, picture, cells, maps)
    if not asked.picture:
        (HERE / "discrimination.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {HERE / 'discrimination.json'}; now run: python docs/generate.py")


def _draw(folder: Path, picture: Image.Image, cells: Sequence[Cell], maps: Mapping[str, Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, saliency in maps.items():
        for one, own in zip(cells, saliency, strict=True):
            overlay(picture, own.clamp_min(0)).save(folder / f"{name}_{one.index}.png")


if __name__ == "__main__":
    main()
