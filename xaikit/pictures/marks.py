"""What is drawn on a picture beside its map: a box with its words, the outline of a mask, a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xaikit.pictures.lettering import font, legible, length, shortened

LINE, PAPER = (255, 255, 255), (24, 24, 28)
"""White beside near black: seen on any picture and on any colour of a map."""


class PictureMark(Protocol):
    """Something that draws itself on an RGB picture."""

    def draw(self, picture: Image.Image) -> None:
        """In the pixels of the picture."""


@dataclass(frozen=True)
class Words:
    """A line of text on a dark ground, its upper left corner at ``at``, moved so that it stays in the picture."""

    text: str
    at: tuple[float, float] = (0, 0)

    def draw(self, picture: Image.Image) -> None:
        """In the pixels of the picture."""
        size = min(28, max(9, picture.height // 16))
        text = shortened(self.text, size, picture.width - 6)
        wide, high = round(length(text, size)) + 6, size + 4
        left = min(max(0, round(self.at[0])), max(0, picture.width - wide))
        top = min(max(0, round(self.at[1])), max(0, picture.height - high))
        draw = ImageDraw.Draw(picture)
        draw.rectangle((left, top, left + wide - 1, top + high - 1), fill=PAPER)
        draw.text((left + 3, top + 1), legible(text), fill=LINE, font=font(size))


@dataclass(frozen=True)
class Box:
    """x0, y0, x1, y1 in pixels, and what stands above it (inside, where there is no room above)."""

    corners: tuple[float, float, float, float]
    text: str = ""

    def draw(self, picture: Image.Image) -> None:
        """In the pixels of the picture; what lies outside is cut off."""
        x0, y0, x1, y1 = (round(corner) for corner in self.corners)
        x0, x1 = sorted(min(max(x, 0), picture.width - 1) for x in (x0, x1))
        y0, y1 = sorted(min(max(y, 0), picture.height - 1) for y in (y0, y1))
        width = max(1, picture.height // 150)
        draw = ImageDraw.Draw(picture)
        draw.rectangle((x0, y0, x1, y1), outline=PAPER, width=2 * width + 1)
        draw.rectangle((x0, y0, x1, y1), outline=LINE, width=width)
        if self.text:
            above = y0 - min(28, max(9, picture.height // 16)) - 4
            Words(self.text, (x0, above if above >= 0 else y0 + width)).draw(picture)


@dataclass(frozen=True)
class Outline:
    """The border of a mask (H, W), which is laid over the picture at the nearest pixels; and what stands above it."""

    mask: NDArray[np.bool_]
    text: str = ""

    def draw(self, picture: Image.Image) -> None:
        """In the pixels of the picture."""
        mask = _nearest(self.mask, (picture.height, picture.width))
        thick = max(1, picture.height // 150)
        inside = _shrunk(mask, thick)
        pixels = np.array(picture)
        pixels[_shrunk(inside, 1) != inside] = PAPER
        pixels[mask & ~inside] = LINE
        picture.paste(Image.fromarray(pixels))
        rows, columns = np.nonzero(mask)
        if self.text and len(rows):
            Words(self.text, (columns.min(), rows.min() - picture.height // 16 - 4)).draw(picture)


def marks_of(
    place: Mapping[str, Any], text: str, size: tuple[int, int], shown: tuple[int, int]
) -> Iterator[Box | Outline]:
    """What a score is of, on a picture; nothing where that is all of it.

    Args:
        place: see :class:`xaikit.targets.Pinned`.
        size: width and height of the model's input.
        shown: those of the picture that it is drawn on.
    """
    if "corners" in place:
        x, y = (side if place.get("relative") else side / own for side, own in zip(shown, size, strict=True))
        x0, y0, x1, y1 = place["corners"]
        yield Box((x0 * x, y0 * y, x1 * x, y1 * y), text)
    elif "mask" in place:
        yield Outline(np.asarray(place["mask"], bool), text)


def _nearest(mask: NDArray[Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    rows, columns = (
        ((np.arange(side) + 0.5) * count / side).astype(np.intp) for side, count in zip(size, mask.shape, strict=True)
    )
    nearest: NDArray[np.bool_] = mask.astype(bool)[rows][:, columns]
    return nearest


def _shrunk(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """Without the pixels that have a neighbour outside; beyond the edge of the picture nothing is outside."""
    for _ in range(times):
        wide = np.pad(mask, 1, mode="edge")
        mask = mask & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask
