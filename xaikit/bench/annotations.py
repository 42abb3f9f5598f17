"""Where the objects of a photograph are in the frame of the model: resized, cropped or squashed as its pixels are."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from xaikit.errors import DataError
from xaikit.schema.classes import Classes
from xaikit.sources import Box, FileAnnotation, Photograph
from xaikit.sources.framed import Annotation

NOWHERE = "where in the file the model looks is not known"


def framed_annotation(
    photograph: Photograph, window: tuple[float, ...] | None, space: tuple[int, ...], classes: Classes
) -> Annotation | None:
    """The annotation of a photograph as the model sees it; None where the data states none.

    Args:
        window: size of the file and where in it the model looked, see :class:`xaikit.bench.transforms.Framed`.
        space: (H, W) of the model's input.
    """
    stated = photograph.annotation
    if stated is None:
        return None
    if window is None:
        return Annotation(torch.zeros(0, 4), note=NOWHERE)
    boxes = [_placed(box, window, space) for box in stated.boxes]
    inside = [place for place, (x0, y0, x1, y1) in enumerate(boxes) if x1 > x0 and y1 > y0]
    labels = stated.labels or (None,) * len(boxes)
    outlines = stated.outlines or ((),) * len(boxes)
    mask, hidden, note = _mask(stated, window, space)
    return Annotation(
        boxes=torch.tensor([boxes[place] for place in inside]).reshape(-1, 4),
        labels=tuple(_class(labels[place], classes, photograph.name) for place in inside),
        mask=mask,
        lost=len(boxes) - len(inside) + hidden,
        note=note,
        outlines=tuple(
            tuple(tuple(_point(point, window, space) for point in polygon) for polygon in outlines[place])
            for place in inside
        ),
    )


def _placed(box: Box, window: tuple[float, ...], space: tuple[int, ...]) -> Box:
    """A box of the file in the frame, cut off at its edges: nothing is left of one that lies outside."""
    corners = (*_point(box[:2], window, space), *_point(box[2:], window, space))
    x0, y0, x1, y1 = (
        min(max(corner, 0.0), float(end)) for corner, end in zip(corners, (*space[::-1],) * 2, strict=True)
    )
    return x0, y0, x1, y1


def _point(point: tuple[float, float], window: tuple[float, ...], space: tuple[int, ...]) -> tuple[float, float]:
    """A point x, y of the file in the frame, or outside of it."""
    left, top, right, bottom = window[2:]
    return (point[0] - left) * space[1] / (right - left), (point[1] - top) * space[0] / (bottom - top)


def _class(label: str | int | None, classes: Classes, name: str) -> str | int | None:
    """The index of the class where the model has it, else what the data states."""
    if label is None:
        return None
    try:
        return classes.index(label, name)
    except DataError:  # boxes may be of more classes than the model knows
        return label


def _mask(stated: FileAnnotation, window: tuple[float, ...], space: tuple[int, ...]) -> tuple[Tensor | None, int, str]:
    """The mask in the frame, how many objects that has lost, and what is wrong with the file."""
    if stated.mask is None:
        return None, 0, ""
    try:
        whole = _read(stated.mask(), (round(window[0]), round(window[1])))
    except (DataError, OSError) as error:
        return None, 0, f"mask: {error}"
    left, top, right, bottom = window[2:]
    affine = ((right - left) / space[1], 0, left, 0, (bottom - top) / space[0], top)
    framed = whole.transform((space[1], space[0]), Image.Transform.AFFINE, affine, Image.Resampling.NEAREST)
    mask = torch.from_numpy(np.asarray(framed) > 0)
    return mask, int(whole.getbbox() is not None and not bool(mask.any())), ""


def _read(data: bytes, size: tuple[int, int]) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data)) as image:
            values, has_alpha = np.asarray(ImageOps.exif_transpose(image)), image.mode.endswith("A")
    except Exception as error:  # decoders of damaged bytes raise nearly anything
        raise DataError(f"cannot be read as a picture: {type(error).__name__}: {error}") from error
    if values.shape[1::-1] != size:
        raise DataError(
            f"expected {size[0]} x {size[1]} pixels, as the picture has, got {values.shape[1]} x {values.shape[0]}"
        )
    above = (values > 0).reshape(*values.shape[:2], -1)
    # what is opaque is no object by that, and what is transparent is none
    inside = above[..., :-1].any(2) & above[..., -1] if has_alpha else above.any(2)
    return Image.fromarray(np.asarray(inside, np.uint8))
