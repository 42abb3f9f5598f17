"""Series as curves, and their maps as a line over them."""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit.pictures.lettering import FAINT, write
from xaikit.pictures.overlay import Scale, color_bar

WIDTH, HEIGHT = 672, 224
"""Of a plotted series in pixels; its time goes from the left edge to the right one."""

_MARGIN, _SIZE, _STRONGEST = 12, 11, 0.75
_CURVES = ((96, 110, 130), (150, 120, 90), (110, 140, 110), (140, 110, 140))
_LINE = (176, 32, 48)


def plot(values: Tensor) -> Image.Image:
    """A series (channels, L): a curve a channel, all on one scale, whose ends are written beside it."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    finite = values.detach().cpu().double()
    known = finite[finite.isfinite()]
    low, high = (float(known.min()), float(known.max())) if known.numel() else (0.0, 1.0)
    for place, channel in enumerate(finite):
        _draw_curve(draw, channel, low, high, _CURVES[place % len(_CURVES)], 1)
    write(draw, (4, 1), f"{high:.4g}", _SIZE, FAINT)
    write(draw, (4, HEIGHT - 1.3 * _SIZE), f"{low:.4g}", _SIZE, FAINT)
    return picture


def overlay_signal(picture: Image.Image, saliency: Tensor, *, signed: bool = False) -> Image.Image:
    """A map (L,) as a line over a plotted series, its colours behind it, stronger where it is larger; a colour bar to the right.

    Args:
        picture: of :func:`plot`.
        signed: whether maps of this kind may be negative.

    Raises:
        ValueError: the map is not one-dimensional.
    """
    if saliency.ndim != 1:
        raise ValueError(f"overlay: expected a map (L,), got shape {tuple(saliency.shape)}")
    values = saliency.detach().cpu().double()
    scale = Scale.of(values, signed)
    wide = interpolate(values[None, None], picture.width, mode="linear", align_corners=False)[0, 0]
    shaded = _shade(picture, wide, scale)
    _draw_curve(ImageDraw.Draw(shaded), wide, scale.low, scale.high, _LINE, 2)
    bar = color_bar(scale, shaded.height)
    joined = Image.new("RGB", (shaded.width + bar.width, shaded.height), "white")
    joined.paste(shaded, (0, 0))
    joined.paste(bar, (shaded.width, 0))
    return joined


def _shade(picture: Image.Image, values: Tensor, scale: Scale) -> Image.Image:
    """Columns in the colours of a map, as far as the curves leave white; magenta where it is not finite."""
    strength = _STRONGEST * (values.abs() / scale.high).where(values.isfinite(), 1).clamp(0, 1)[None, :, None]
    paper = 255 * (1 - strength) + strength * scale.colored(values[None])
    pixels = torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8)
    inked = pixels.view(picture.height, picture.width, 3).double() / 255 * paper
    return Image.fromarray(inked.round().to(torch.uint8).contiguous().numpy())


def _draw_curve(
    draw: ImageDraw.ImageDraw, values: Tensor, low: float, high: float, ink: tuple[int, int, int], width: int
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
