"""Text on pictures, in the font that Pillow brings."""

from __future__ import annotations

import textwrap
import unicodedata
from functools import cache

from PIL import ImageDraw, ImageFont

INK = (32, 32, 36)


FAINT = (112, 112, 120)


WARNING = (176, 64, 16)


Ink = tuple[int, int, int]


Line = tuple[str, Ink]
"""Text and its colour."""


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def font(size: int) -> Font:
    """The font at that height in pixels."""
    return ImageFont.load_default(size=size)


def legible(text: str) -> str:
    """The text in the letters that the font has: accents dropped, others as "?", on one line.

    >>> legible("café\\n日本.jpg")
    'cafe ??.jpg'
    """
    plain = unicodedata.normalize("NFD", " ".join(text.split()))
    letters = (char for char in plain if not unicodedata.combining(char))
    return "".join(char if char == "…" or " " <= char <= "~" else "?" for char in letters)


def shortened(text: str, size: int, width: float) -> str:
    """The text, its middle left out where it is wider than ``width`` pixels; the ends of names tell them apart."""
    text = legible(text)
    if length(text, size) <= width:
        return text
    letters = len(text) - 1
    while letters > 2 and length(_without_middle(text, letters), size) > width:
        letters -= 1
    return _without_middle(text, letters)


def wrapped(text: str, size: int, width: float, most: int) -> list[str]:
    """The text on at most ``most`` lines of ``width`` pixels."""
    text = legible(text)
    columns = max(8, int(width / (length("n", size) or 1)))
    lines = textwrap.wrap(text, columns)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [shortened(line, size, width) for line in lines]


def write(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, ink: Ink) -> None:
    """Write legible text with its upper left corner at ``at``."""
    draw.text(at, legible(text), fill=ink, font=font(size))


def length(text: str, size: int) -> float:
    """The width of legible text in pixels."""
    return float(font(size).getlength(legible(text)))


def _without_middle(text: str, letters: int) -> str:
    head = (letters + 1) // 2
    return text[:head].rstrip() + "…" + text[len(text) - (letters - head) :].lstrip()
