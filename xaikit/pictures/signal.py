"""Series as curves, and their maps as a line over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from xaikit.pictures.lettering import FAINT, write
from xaikit.pictures.overlay import Floats, Scale, beside, color_bar, floats, resized

if TYPE_CHECKING:
    from torch import Tensor

WIDTH, HEIGHT = 672, 224
"""Of a plotted series in pixels; its time goes from the left edge to the right one."""

_MARGIN, _SIZE, _STRONGEST = 12, 11, 0.75
_CURVES = ((96, 110, 130), (150, 120, 90), (110, 140, 110), (140, 110, 140))
_LINE = (176, 32, 48)


def plot(values: Tensor | Floats) -> Image.Image:
    """A series (channels, L): a curve a channel, all on one scale, whose ends are written beside it."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    channels = floats(values)
    finite = channels[np.isfinite(channels)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for place, channel in enumerate(channels):
        _draw_curve(draw, channel, low, high, _CURVES[place % len(_CURVES)], 1)
    write(draw, (4, 1), f"{high:.4g}", _SIZE, FAINT)
    write(draw, (4, HEIGHT - 1.3 * _SIZE), f"{low:.4g}", _SIZE, FAINT)
    return picture


def overlay_signal(
    picture: Image.Image,
    saliency: Tensor | Floats,
    *,
    colormap: str = "auto",
    signed: bool = False,
    colorbar: bool = True,
) -> Image.Image:
    """A map (L,) as a line over a plotted series, its colours behind it, stronger where it is larger; a colour bar to the right.

    Args:
        picture: of :func:`plot`.
        colormap, signed, colorbar: as of :func:`xaikit.pictures.overlay.overlay`.

    Raises:
        ValueError: the map is not one-dimensional.
    """
    if saliency.ndim != 1:
        raise ValueError(f"overlay: expected a map (L,), got shape {tuple(saliency.shape)}")
    values = floats(saliency)
    scale = Scale.of(values, signed, colormap)
    wide = resized(values[None], (1, picture.width))
    shaded = _shade(picture, wide, scale)
    _draw_curve(ImageDraw.Draw(shaded), wide[0], scale.low, scale.high, _LINE, 2)
    return beside(shaded, color_bar(scale, shaded.height)) if colorbar else shaded


def _shade(picture: Image.Image, values: Floats, scale: Scale) -> Image.Image:
    """Columns in the colours of a map (1, width), as far as the curves leave white; magenta where it is not finite."""
    strength = _STRONGEST * np.where(np.isfinite(values), np.abs(values) / scale.high, 1).clip(0, 1)[..., None]
    paper = 255 * (1 - strength) + strength * scale.colored(values)
    inked = np.asarray(picture.convert("RGB")) / 255 * paper
    return Image.fromarray(np.rint(inked).astype(np.uint8))


def _draw_curve(
    draw: ImageDraw.ImageDraw, values: Floats, low: float, high: float, ink: tuple[int, int, int], width: int
) -> None:
    """Connected where numbers are finite."""
    count = len(values)
    span = (high - low) or 1.0
    run: list[tuple[float, float]] = []
    for place, value in enumerate([*values.tolist(), float("nan")]):
        if value == value and abs(value) != float("inf"):
            share = (value - low) / span if high > low else 0.5
            x = (place + 0.5) * WIDTH / count
            run.append((x, HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN)))
            continue
        if len(run) == 1:
            draw.point(run, fill=ink)
        elif run:
            draw.line(run, fill=ink, width=width)
        run = []
