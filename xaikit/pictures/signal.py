"""Series as curves, and their maps as a line over them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from xaikit.pictures.colors import NOT_FINITE
from xaikit.pictures.lettering import FAINT, Ink, write
from xaikit.pictures.overlay import Floats, Scale, beside, color_bar, resized

WIDTH, HEIGHT = 672, 224
"""Of a plotted series in pixels; its time goes from the left edge to the right one."""

_MARGIN, _SIZE, _STRONGEST = 12, 11, 0.75
_CURVES: tuple[Ink, ...] = ((96, 110, 130), (150, 120, 90), (110, 140, 110), (140, 110, 140))
_LINE = (176, 32, 48)


def plot(values: Floats) -> Image.Image:
    """A series (channels, L): a curve a channel, all on one scale, whose ends are written beside it."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for place, channel in enumerate(values):
        _draw_curve(draw, channel, low, high, _CURVES[place % len(_CURVES)], 1)
    write(draw, (4, 1), f"{high:.4g}", _SIZE, FAINT)
    write(draw, (4, HEIGHT - 1.3 * _SIZE), f"{low:.4g}", _SIZE, FAINT)
    return picture


def overlay_signal(
    picture: Image.Image, saliency: Floats, *, colormap: str = "auto", signed: bool = False, colorbar: bool = True
) -> Image.Image:
    """A map (L,) as a line over a plotted series, its colours behind both, stronger where it is larger.

    Args:
        picture: of :func:`plot`.
        colormap, signed, colorbar: as of :func:`xaikit.pictures.overlay.overlay`.
    """
    wide = resized(saliency, (picture.width,))
    scale = Scale.of(wide, signed, colormap)
    shaded = _shade(picture, wide, scale)
    _draw_curve(ImageDraw.Draw(shaded), wide, scale.low, scale.high, _LINE, 2)
    return beside(shaded, color_bar(scale, shaded.height)) if colorbar else shaded


def _shade(picture: Image.Image, values: Floats, scale: Scale) -> Image.Image:
    """Columns in the colours of a map, as far as the curves leave white; magenta where it is not finite."""
    finite = np.isfinite(values)
    strength = np.where(finite, np.abs(np.where(finite, values, 0)) / scale.high, 1)[None, :, None] * _STRONGEST
    colours = np.concatenate([scale.table, [NOT_FINITE]])[scale.places(values)]
    paper = 255 * (1 - strength) + strength * colours[None]
    inked = np.asarray(picture.convert("RGB"), np.float32) / 255 * paper
    return Image.fromarray(np.rint(inked).clip(0, 255).astype(np.uint8))


def _draw_curve(draw: ImageDraw.ImageDraw, values: Floats, low: float, high: float, ink: Ink, width: int) -> None:
    """Connected where numbers are finite; a series of one number is a level line."""
    shares = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    heights = HEIGHT - _MARGIN - shares * (HEIGHT - 2 * _MARGIN)
    points = np.stack([(np.arange(len(values)) + 0.5) * WIDTH / len(values), heights], 1)
    breaks = np.flatnonzero(~np.isfinite(values))
    for run in np.split(points, breaks):
        kept = run[np.isfinite(run[:, 1])]
        if len(kept) == 1:
            (x, y), half = kept[0], WIDTH / len(values) / 2
            kept = np.array([(x - half, y), (x + half, y)])
        if len(kept):
            draw.line([(float(x), float(y)) for x, y in kept], fill=ink, width=width)
