"""Where the objects of photographs are: tables of boxes, COCO's JSON, and folders of VOC's XML and of masks."""

from __future__ import annotations

import csv
import json
import math
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from xaikit import DataError, Located, nearest
from xaikit.sources import Box, FileAnnotation, Photograph, Polygon
from xaikit_sources._paths import is_file, missing, read_bytes

Annotations = Annotated[str | None, Located()]
"""The option of a source: a table of boxes (.csv: path or file, x_min, y_min, x_max, y_max; label or category), COCO's JSON, or a
folder of VOC's XML or of masks (.png)."""

CORNERS = ("x_min", "y_min", "x_max", "y_max")
_NAMES, _LABELS = ("path", "file"), ("label", "category")


@dataclass
class Stated:
    """What is read of one photograph."""

    boxes: list[Box] = field(default_factory=list)
    labels: list[str | int | None] = field(default_factory=list)
    outlines: list[tuple[Polygon, ...]] = field(default_factory=list)
    mask: Path | None = None

    def add(self, box: Box, label: str | int | None, outlines: tuple[Polygon, ...] = ()) -> None:
        """One more object."""
        self.boxes.append(box)
        self.labels.append(label)
        self.outlines.append(outlines)

    def annotation(self) -> FileAnnotation:
        """As a photograph has it."""
        mask = None if self.mask is None else partial(read_bytes, self.mask)
        return FileAnnotation(tuple(self.boxes), tuple(self.labels), mask, tuple(self.outlines))


def annotated(photographs: Sequence[Photograph], files: Sequence[Path], annotations: str | None) -> list[Photograph]:
    """Photographs with what a file or folder states of them.

    Args:
        files: where each photograph lies. What is stated of a name is of the one file that ends with it.

    Raises:
        DataError: it cannot be read, names two pictures at once, or none of them.
    """
    if annotations is None:
        return list(photographs)
    by_name: dict[str, set[int]] = defaultdict(set)
    for place, file in enumerate(files):
        by_name[file.name].add(place)
        by_name[file.stem].add(place)
    stated: dict[int, FileAnnotation] = {}
    read = _read(annotations, files)
    for name, each in read.items():
        ends = [place for place in sorted(by_name[Path(name).name]) if _ends_with(files[place], Path(name))]
        if len(ends) > 1:
            raise DataError(
                f"{annotations}: {name!r} may be {files[ends[0]]} or {files[ends[1]]}; name the folder as well"
            )
        if ends:
            stated[ends[0]] = each.annotation()
    if not stated:
        got = f"{next(iter(read))!r}, which is none of them" if read else "nothing"
        raise DataError(f"{annotations}: expected something about the pictures, such as {files[0].name!r}, got {got}")
    return [replace(each, annotation=stated.get(place)) for place, each in enumerate(photographs)]


def _ends_with(file: Path, name: Path) -> bool:
    """Whether a file is meant by the end of its path, with its suffix or without."""
    parts = [part for part in name.parts if part not in (".", "..")]
    whole = file.absolute()
    return parts in [list(each.parts[-len(parts) :]) for each in (whole, whole.with_suffix(""))]


def unmasked(pictures: Sequence[Path], annotations: str | None) -> list[Path]:
    """The pictures of a folder without those that lie in a folder of annotations inside it, where some lie elsewhere."""
    folder = None if annotations is None else Path(annotations).expanduser().absolute()
    return [each for each in pictures if folder not in each.absolute().parents] or list(pictures)


def _read(annotations: str, pictures: Collection[Path]) -> Mapping[str, Stated]:
    """By the name that each photograph has there."""
    place = Path(annotations).expanduser()
    if place.is_dir():
        return _folder(place, pictures)
    if not is_file(place):
        raise DataError(f"annotations: {missing(annotations)}")
    readers = {".csv": _table, ".json": _coco}
    if place.suffix.lower() not in readers:
        raise DataError(f"annotations: expected a .csv, a .json or a folder, got {annotations!r}")
    return readers[place.suffix.lower()](place)


def box_of(corners: Iterable[Any], where: str) -> Box:
    """Numbers as a box. Raises DataError, naming the place, where they are none or there is nothing inside."""
    values = list(corners)
    try:
        x0, y0, x1, y1 = map(float, values)
    except (TypeError, ValueError):
        raise DataError(f"{where}: expected four numbers as a box, got {values}") from None
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or x1 <= x0 or y1 <= y0:
        raise DataError(f"{where}: expected a box x_min < x_max, y_min < y_max, got {x0:g}, {y0:g}, {x1:g}, {y1:g}")
    return x0, y0, x1, y1


def _table(file: Path) -> Mapping[str, Stated]:
    stated: dict[str, Stated] = defaultdict(Stated)
    for line, row in _rows(file):
        name, label = (next((row[key] for key in keys if key in row), None) for keys in (_NAMES, _LABELS))
        corners = [row[corner] for corner in CORNERS]
        each = stated[(name or "").strip()]
        if any((corner or "").strip() for corner in corners):  # a photograph without objects has a row without a box
            each.add(box_of(corners, f"{file}:{line}"), (label or "").strip() or None)
    return stated


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or ()
            for columns in (_NAMES, *((corner,) for corner in CORNERS)):
                if not set(columns) & set(header):
                    raise DataError(
                        f"{file}:1: no column {' or '.join(map(repr, columns))}; {nearest(columns[0], header)}; "
                        "of other columns there is 'source: csv' with box_columns"
                    )
            yield from ((reader.line_num, row) for row in reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{file}: expected CSV in UTF-8: {error}") from error


def _coco(file: Path) -> Mapping[str, Stated]:
    """The boxes of COCO's format, which are x, y, width, height, with their polygons; crowds count as one object."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        categories = {category["id"]: str(category["name"]) for category in content.get("categories", ())}
        objects = [
            (each["image_id"], each.get("category_id"), each.get("bbox"), each.get("segmentation"))
            for each in content["annotations"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"no {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise DataError(f"{file}: expected images, annotations and categories as in COCO's JSON, got {got}") from error
    stated = {name: Stated() for name in names.values()}
    for number, (image, category, bbox, segmentation) in enumerate(objects):
        where = f"{file}: annotation {number}"
        if image not in names:
            raise DataError(f"{where}: there is no image with the id {image!r}")
        outlines = _outlines(segmentation, where)
        box = _box_around(outlines, where) if bbox is None and outlines else _box_of_sides(bbox, where)
        stated[names[image]].add(box, categories.get(category), outlines)
    return stated


def _box_of_sides(bbox: Sequence[Any], where: str) -> Box:
    """x, y, width, height as a box. Raises DataError."""
    try:
        x, y, width, height = map(float, bbox)
    except (TypeError, ValueError):
        raise DataError(f"{where}: expected bbox as x, y, width, height, got {bbox}") from None
    return box_of((x, y, x + width, y + height), where)


def _box_around(outlines: Iterable[Polygon], where: str) -> Box:
    """The box of an object that has polygons alone. Raises DataError where there is nothing inside."""
    across, down = zip(*(point for polygon in outlines for point in polygon), strict=True)
    return box_of((min(across), min(down), max(across), max(down)), where)


def _outlines(segmentation: Any, where: str) -> tuple[Polygon, ...]:
    """The polygons x, y, x, y, ... of an object; none of run lengths, which crowds have: their box stands for them.

    Raises:
        DataError: a polygon has fewer than three corners, half a corner, or what is no number.
    """
    polygons = segmentation if isinstance(segmentation, list) else []
    try:
        numbers = [[float(number) for number in polygon] for polygon in polygons]
    except (TypeError, ValueError):
        numbers = [[]]
    if any(len(each) < 6 or len(each) % 2 or not all(map(math.isfinite, each)) for each in numbers):
        raise DataError(
            f"{where}: expected polygons x, y, x, y, ... of three corners or more as segmentation, got {segmentation}"
        )
    return tuple(tuple(zip(each[::2], each[1::2], strict=True)) for each in numbers)


def _folder(folder: Path, pictures: Collection[Path]) -> Mapping[str, Stated]:
    """XML files and masks, each of the photograph that has its name but for the suffix."""
    known = {picture.absolute() for picture in pictures}
    stated: dict[str, Stated] = defaultdict(Stated)
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder).with_suffix(""))
        if file.suffix.lower() == ".xml":
            _add_voc(stated[name], file)
        elif file.suffix.lower() == ".png" and file.absolute() not in known:
            stated[name].mask = file
    if not stated:
        raise DataError(f"annotations: expected .xml or .png files in {str(folder)!r}, found none")
    return stated


def _add_voc(stated: Stated, file: Path) -> None:
    """The objects of a file in the format of PASCAL VOC, whose pixels are counted from 1, the last one inside."""
    try:
        root = ElementTree.fromstring(read_bytes(file))
    except ElementTree.ParseError as error:
        raise DataError(f"{file}: expected XML as in PASCAL VOC: {error}") from error
    for number, each in enumerate(root.iter("object"), 1):
        corners = [each.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
        where = f"{file}: object {number}"
        try:
            first = [float(corner or "") - shift for corner, shift in zip(corners, (1, 1, 0, 0), strict=True)]
        except ValueError:
            raise DataError(f"{where}: expected bndbox with xmin, ymin, xmax, ymax, got {corners}") from None
        stated.add(box_of(first, where), (each.findtext("name") or "").strip() or None)
