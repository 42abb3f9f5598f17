"""A map laid over its picture, linear in the map, with a colour bar that says what the colours stand for.

By NumPy and Pillow alone: maps are small, and a pool of threads costs more than it gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xaikit.pictures import colors
from xaikit.pictures.lettering import INK, length, write

if TYPE_CHECKING:
    from torch import Tensor

    from xaikit.pictures.marks import PictureMark

Floats = NDArray[np.floating[Any]]

_PAPER = (255, 255, 255)


@dataclass(frozen=True)
class Scale:
    """How values become colours: linearly, from ``low`` (the table's first entry) to ``high`` (its last).

    Maps in [0, 1] keep that range and signed maps [-1, 1], so that maps compare; only what leaves it widens the
    range to max|x|. ``odd`` is "NaN" or "inf" where the map has such values, else "".
    """

    low: float
    high: float
    colormap: str
    odd: str = ""

    @classmethod
    def of(cls, saliency: Floats, signed: bool = False, colormap: str = "auto") -> Scale:
        """The scale of a map, a signed one where it has to be; NaN and infinite values do not count."""
        low, high = float(saliency.min(initial=0)), float(saliency.max(initial=0))
        odd = ""
        if not (np.isfinite(low) and np.isfinite(high)):
            odd = "NaN" if np.isnan(saliency).any() else "inf"
            values = saliency[np.isfinite(saliency)]
            low, high = float(values.min(initial=0)), float(values.max(initial=0))
        signed, most = signed or low < 0, max(1.0, high, -low)
        if colormap == "auto":
            colormap = "diverging" if signed else "sequential"
        return cls(-most if signed else 0.0, most, colormap, odd)

    @property
    def table(self) -> colors.Table:
        """Its colours (256, 3)."""
        return colors.table(self.colormap)

    def places(self, saliency: Floats) -> NDArray[np.intp]:
        """Where the values of a map are in the table; 256 where they are not finite."""
        with np.errstate(invalid="ignore"):  # infinity is put right below
            places = (saliency - self.low) * (255 / (self.high - self.low))
        finite = None if not self.odd else np.isfinite(saliency)
        places = places if finite is None else np.where(finite, places, 256)
        rounded: NDArray[np.intp] = np.rint(places).astype(np.intp)
        return rounded

    def blend(self, picture: Image.Image, saliency: Floats, alpha: float) -> Image.Image:
        """The colours of a map (H, W) over an RGB picture of that size, over a pale grey one where the scale is signed; magenta
        where it is not finite."""
        places, signed = 256 * self.places(saliency), self.low < 0
        under = paled(picture, alpha) if signed else picture
        bands = zip(under.split(), _blends(self.colormap, signed, alpha), strict=True)
        return Image.merge("RGB", [Image.fromarray(blends.take(places + np.asarray(band))) for band, blends in bands])


def paled(picture: Image.Image, alpha: float) -> Image.Image:
    """What lies under a signed map: the picture in grey, alpha of it white, on which red and blue stand out alike where single
    pixels have them."""
    return Image.blend(picture.convert("L"), Image.new("L", picture.size, 255), alpha).convert("RGB")


@lru_cache(maxsize=8)
def _blends(colormap: str, signed: bool, alpha: float) -> NDArray[np.uint8]:
    """What comes of a value of a picture below each colour of a table, and below what is not finite: (3, 257 * 256), a channel a
    row. The colour of a signed scale counts by |x| / high, so that 0 leaves what lies under it as it is."""
    laid = np.concatenate([colors.table(colormap), [colors.NOT_FINITE]]).T[..., None]
    strongest = min(1.0, 2 * alpha) if signed else alpha
    weights = strongest * np.append(np.abs(np.linspace(-1, 1, 256)) if signed else np.ones(256), 1)[:, None]
    blends: NDArray[np.uint8] = np.rint((1 - weights) * np.arange(256) + weights * laid).astype(np.uint8)
    return blends.reshape(3, -1)


def overlay(
    picture: Image.Image,
    saliency: Tensor | Floats,
    alpha: float = 0.5,
    *,
    colormap: str = "auto",
    signed: bool = False,
    colorbar: bool = True,
    background: Image.Image | None = None,
    marks: Iterable[PictureMark] = (),
) -> Image.Image:
    """The map over the picture, a colour bar to the right.

    Args:
        picture: the picture as the model saw it.
        saliency: a finished map (H, W) of any dtype; of another size than the picture it is resized bilinearly (half-pixel).
        alpha: the share of the map's colours, in [0, 1]. A signed map lies over the picture in grey, alpha of it white, and its
            colours count min(1, 2 alpha) |x|: what is 0 shows the picture.
        colormap: a name of :data:`xaikit.pictures.colors.COLORMAPS`, or ``auto``: sequential, of signed maps diverging.
        signed: whether maps of this kind may be negative, so that they share one scale even where this one is not.
        colorbar: whether there is one.
        background: the whole photograph, out of the middle of which the picture was cut.
        marks: boxes, outlines and words that are drawn on it, in pixels of the picture.

    Returns:
        An RGB picture of the same height; its left part is (1 - alpha) picture + alpha colours, of a signed map see alpha; around
        it the background.

    Raises:
        ValueError: the map is not two-dimensional, alpha is no share, or there is no such colour map.
    """
    if saliency.ndim != 2 or 0 in saliency.shape:
        raise ValueError(f"overlay: expected a map (H, W), got shape {tuple(saliency.shape)}")
    if not isinstance(alpha, Real) or not 0 <= alpha <= 1:
        raise ValueError(f"alpha: expected a share in [0, 1], got {alpha!r}")
    fitted = resized(floats(saliency), (picture.height, picture.width))
    scale = Scale.of(fitted, signed, colormap)
    shown = scale.blend(picture.convert("RGB"), fitted, alpha)
    for mark in marks:
        mark.draw(shown)
    shown = shown if background is None else _in_the_middle(shown, background.convert("RGB"))
    return beside(shown, color_bar(scale, shown.height)) if colorbar else shown


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures of one height as one."""
    joined = Image.new("RGB", (left.width + right.width, left.height), _PAPER)
    joined.paste(left, (0, 0))
    joined.paste(right, (left.width, 0))
    return joined


def _in_the_middle(picture: Image.Image, background: Image.Image) -> Image.Image:
    left, top = (round((whole - part) / 2) for whole, part in zip(background.size, picture.size, strict=True))
    around = background.copy()
    around.paste(picture, (left, top))  # rounded as center_crop does
    return around


@lru_cache(maxsize=64)
def color_bar(scale: Scale, height: int) -> Image.Image:
    """The colours of a scale from bottom to top, with the numbers at both ends; most maps share one."""
    size = min(28, max(8, height // 18))
    bar = round(0.9 * size)
    numbers = [f"{scale.high:.3g}", f"{scale.low:.3g}"]
    widest = max(length(word, size) for word in (*numbers, scale.odd))
    strip = Image.new("RGB", (bar + size + round(widest), height), _PAPER)
    ramp = np.rint(np.linspace(255, 0, height)).astype(np.intp)
    strip.paste(Image.fromarray(scale.table[ramp][:, None].repeat(bar, 1)), (size // 2, 0))
    draw, x = ImageDraw.Draw(strip), size // 2 + bar + size // 4
    write(draw, (x, 0), numbers[0], size, INK)
    write(draw, (x, height - 1.2 * size), numbers[1], size, INK)
    write(draw, (x, (height - size) / 2), scale.odd, size, colors.NOT_FINITE)
    return strip


def resized(saliency: Floats, size: tuple[int, ...]) -> Floats:
    """A map (H, W), or of other axes, at another size, linearly by half-pixels, as ``interpolate(align_corners=False)`` of torch
    does."""
    for axis, side in enumerate(size):
        count = saliency.shape[axis]
        if count == side:
            continue
        at = np.clip((np.arange(side) + 0.5) * (count / side) - 0.5, 0, count - 1).astype(saliency.dtype)
        low = at.astype(np.intp)
        share = (at - low).reshape([-1 if each == axis else 1 for each in range(saliency.ndim)])
        high = np.minimum(low + 1, count - 1)
        saliency = saliency.take(low, axis) * (1 - share) + saliency.take(high, axis) * share
    return saliency


def floats(saliency: Tensor | Floats) -> Floats:
    """Of any dtype, on any device, as floats of their own precision, of float32 at least."""
    if not isinstance(saliency, np.ndarray):
        values = saliency.detach().cpu()
        saliency = (values if values.dtype.itemsize > 4 else values.float()).numpy()
    return saliency if saliency.dtype in (np.float32, np.float64) else saliency.astype(np.float64)
