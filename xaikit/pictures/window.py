"""A picture as a person has it, the window of it that a model saw, and maps laid over it there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from xaikit.errors import ConfigError, DataError
from xaikit.pictures.inside import Box, inside
from xaikit.pictures.marks import PictureMark
from xaikit.pictures.overlay import overlay as draw_overlay
from xaikit.pictures.regions import as_array
from xaikit.pictures.signal import plot
from xaikit.pictures.volume import montage

MarksOn = Callable[[tuple[int, int]], Iterable[PictureMark]]
"""From the width and height of a picture to what is drawn on it."""


def _no_marks(size: tuple[int, int]) -> tuple[PictureMark, ...]:
    return ()


@dataclass(frozen=True, eq=False)
class PictureWindow:
    """A picture and what of it a model saw.

    picture  RGB
    box      where a map lies on it; beyond its edges where a crop was larger than the picture
    note     what to know of it: that it is no photograph but what the model received, for one
    size     width and height of the file, where the picture is a smaller one: of a JPEG of very many pixels; boxes and masks are
             in pixels of the file
    """

    picture: Image.Image
    box: Box
    note: str = ""
    size: tuple[int, int] | None = None

    @classmethod
    def whole(cls, picture: Image.Image, note: str = "") -> PictureWindow:
        """All of a picture."""
        return cls(picture, (0.0, 0.0, float(picture.width), float(picture.height)), note)

    def in_file(self) -> tuple[tuple[int, int], Box]:
        """Width and height of the file, and where a map lies on it."""
        wide, high = self.size or self.picture.size
        x, y = wide / self.picture.width, high / self.picture.height
        left, top, right, bottom = self.box
        return (wide, high), (left * x, top * y, right * x, bottom * y)

    def shrunk(self, longest: int) -> PictureWindow:
        """The same with sides of at most so many pixels."""
        share = longest / max(self.picture.size)
        if share >= 1:
            return self
        size = (max(1, round(self.picture.width * share)), max(1, round(self.picture.height * share)))
        x, y = size[0] / self.picture.width, size[1] / self.picture.height
        left, top, right, bottom = self.box
        return PictureWindow(self.picture.resize(size), (left * x, top * y, right * x, bottom * y), self.note)

    def overlay(
        self,
        saliency: Tensor,
        alpha: float = 0.5,
        colormap: str = "auto",
        signed: bool = False,
        marks: MarksOn = _no_marks,
    ) -> Image.Image:
        """A finished map (H, W) over the window, the picture around it; see :func:`xaikit.pictures.overlay.overlay`. Raises
        ConfigError for a share or colours that there are not.

        Args:
            marks: what is drawn on the window, of its width and height.
        """
        left, top, right, bottom = _rounded(self.box, self.picture.size)
        seen = self.picture.crop((left, top, right, bottom))
        inside = left >= 0 and top >= 0 and right <= self.picture.width and bottom <= self.picture.height
        around = self.picture if inside and seen.size != self.picture.size else None
        try:
            return draw_overlay(
                seen, saliency, alpha, colormap=colormap, signed=signed, background=around, marks=marks(seen.size)
            )
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def seen(self, saliency: Tensor) -> tuple[PictureWindow, Tensor]:
        """What of a map (H, W) lies on the picture, and the window of that."""
        part, box = inside(saliency, self.box, self.picture.size)
        return replace(self, box=box), part

    def placed(self, box: tuple[int, ...], size: tuple[int, ...]) -> Box:
        """A box on a map of a size (H, W) as one on the file, cut off at its edges."""
        (wide, high), (left, top, right, bottom) = self.in_file()
        x, y = (right - left) / size[1], (bottom - top) / size[0]
        corners = (left + box[0] * x, top + box[1] * y, left + box[2] * x, top + box[3] * y)
        ends = (wide, high) * 2
        x0, y0, x1, y1 = (min(max(corner, 0.0), float(end)) for corner, end in zip(corners, ends, strict=True))
        return x0, y0, x1, y1

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where the places of a map (H, W) are on the file, bool: the nearest place of every pixel."""
        (wide, high), (left, top, right, bottom) = self.in_file()
        rows, inside_rows = _nearest(high, top, bottom, mask.shape[0])
        columns, inside_columns = _nearest(wide, left, right, mask.shape[1])
        placed: NDArray[np.bool_] = mask[rows][:, columns] & inside_rows[:, None] & inside_columns
        return placed


@dataclass(frozen=True, eq=False)
class ShownInputs:
    """What maps of a batch are laid over.

    inputs   what the model received, (N, channels, *S)
    windows  the picture of each sample and what of it the model saw; None where nobody gave pictures, or it is not known where
             on them the model looked
    note     why it is what the model received that is shown
    sizes    of pictures of unequal size the *S of each, behind which neither inputs nor maps have anything
    """

    inputs: Tensor
    windows: tuple[PictureWindow, ...] | None = None
    note: str = ""
    sizes: tuple[tuple[int, ...], ...] | None = None

    def space(self, sample: int) -> tuple[int, ...]:
        """The *S of a sample's input."""
        return tuple(self.inputs.shape[2:]) if self.sizes is None else self.sizes[sample]

    def cut(self, values: Tensor, sample: int) -> Tensor:
        """What of values (..., *S) is of a sample."""
        if self.sizes is None:
            return values
        for axis, side in enumerate(reversed(self.sizes[sample]), 1):
            values = values.narrow(-axis, 0, min(side, values.shape[-axis]))
        return values

    def window(self, sample: int) -> PictureWindow:
        """The picture of a sample, or what the model received of it: a series plotted, all else stretched from black to white, a
        volume slice by slice.

        Raises:
            ConfigError: it is none of these.
        """
        if self.windows is not None:
            return self.windows[sample]
        pixels = self.cut(self.inputs[sample], sample)
        if pixels.dim() not in (2, 3, 4):
            raise ConfigError(
                f"overlay: expected the input of a sample as (channels, *S) with one to three axes S, got {tuple(pixels.shape)}; "
                ".numpy() has the map as numbers"
            )
        return PictureWindow.whole(_drawn(pixels), self.note)


def _drawn(pixels: Tensor) -> Image.Image:
    """What a model received, (channels, *S)."""
    if pixels.dim() == 2:
        return plot(as_array(pixels))
    if pixels.dim() == 3:
        return stretched(pixels)
    # one scale for all slices: they lie side by side as one picture, and are cut apart again
    slices, wide = pixels.shape[1], pixels.shape[3]
    strip = stretched(pixels.transpose(1, 2).flatten(2))
    return montage([strip.crop((place * wide, 0, (place + 1) * wide, strip.height)) for place in range(slices)])


def _rounded(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box in whole pixels: of what lies in the middle of a picture, the middle."""
    (left, right), (top, bottom) = (_span(box[axis], box[axis + 2], size[axis]) for axis in (0, 1))
    return left, top, right, bottom


def _span(start: float, end: float, side: int) -> tuple[int, int]:
    length = max(1, round(end - start))
    middle = round((side - length) / 2)
    first = middle if abs(middle - start) <= 1 else round(start)
    return first, first + length


def _nearest(side: int, start: float, end: float, places: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The place of a map for every pixel of a side, and whether the pixel lies on the map."""
    at = (np.arange(side) + 0.5 - start) * (places / (end - start))
    return np.clip(np.floor(at), 0, places - 1).astype(np.intp), (at >= 0) & (at < places)


def overlay(picture: Any, saliency: Any, alpha: float = 0.5, colormap: str = "auto") -> Image.Image:
    """A map over a picture, at the size of the picture, with a colour bar: ``xaikit.overlay``.

    Args:
        picture: of Pillow, the path of a file, or pixels of an array or tensor; see :func:`as_picture`.
        saliency: a finished map (H, W), a tensor or array; it covers all of the picture.
        alpha: the share of the map's colours, in [0, 1]; a map that is negative somewhere lies over grey, and its colours
            count by |x|.
        colormap: "auto" is "sequential", of a map that is negative somewhere "diverging"; others are "gray", "jet" and "viridis".

    Raises:
        ConfigError: no picture, no map of two dimensions, or no such share or colours.
        DataError: a file that cannot be read.

    >>> overlay(torch.rand(3, 40, 60), torch.rand(5, 7)).height
    40
    """
    values = torch.from_numpy(as_array(saliency))
    if values.dim() != 2:
        raise ConfigError(
            f"map: expected one of two dimensions (H, W), got {tuple(values.shape)}; map[0] is one of a batch"
        )
    return PictureWindow.whole(as_picture(picture)).overlay(values, alpha=alpha, colormap=colormap)


def as_picture(stated: Any) -> Image.Image:
    """A picture as RGB: one of Pillow or the path of a file, both upright by their EXIF, or pixels (H, W), (H, W, channels) or
    (channels, H, W) of an array or tensor, as whole numbers to 255 or as floats in [0, 1].

    Raises:
        DataError: a file that cannot be read as a picture.
        ConfigError: pixels of another shape or range, or no picture.
    """
    if isinstance(stated, Image.Image):
        return ImageOps.exif_transpose(stated).convert("RGB")
    if isinstance(stated, (str, os.PathLike)):
        try:
            with Image.open(Path(stated).expanduser()) as image:
                return ImageOps.exif_transpose(image).convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"{stated}: cannot be read as a picture: {type(error).__name__}: {error}") from error
    if isinstance(stated, Tensor):
        stated = array_of(stated)
    if not isinstance(stated, np.ndarray):
        raise ConfigError(f"picture: expected one of Pillow, a path, an array or a tensor, got {type(stated).__name__}")
    return Image.fromarray(bytes_of_pixels(channels_last(stated))).convert("RGB")


def array_of(values: Tensor) -> NDArray[Any]:
    """A tensor of any type and device as an array; NumPy has no bfloat16."""
    values = values.detach().cpu()
    array: NDArray[Any] = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array


def channels_last(pixels: NDArray[Any]) -> NDArray[Any]:
    """Pixels (H, W) or (H, W, 3) of any order. Raises ConfigError for another shape."""
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4) and pixels.shape[0] in (1, 3, 4):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[-1] in (3, 4)):
        raise ConfigError(
            f"picture: expected pixels (H, W), (H, W, 3) or (3, H, W) of one picture, got shape {pixels.shape}"
        )
    return pixels


def bytes_of_pixels(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Whole numbers from 0 to 255, or floats in [0, 1], as bytes. Raises ConfigError where they are neither."""
    if pixels.dtype == np.uint8 and pixels.size:
        return np.ascontiguousarray(pixels)
    floating = np.issubdtype(pixels.dtype, np.floating)
    most = 1 if floating else 255
    if not (pixels.size and np.issubdtype(pixels.dtype, np.number) and pixels.min() >= 0 and pixels.max() <= most):
        got = f"{pixels.min():.3g} to {pixels.max():.3g}" if pixels.size else "none"
        raise ConfigError(
            f"picture: expected whole numbers from 0 to 255 or floats in [0, 1], got {pixels.dtype} from {got}; "
            "a picture that is normalized already needs no transform"
        )
    return np.ascontiguousarray(np.rint(pixels * (255 if floating else 1)).astype(np.uint8))


def stretched(pixels: Tensor) -> Image.Image:
    """What a model received, (channels, H, W) in whatever units, from black to white: the first three channels as colours, or
    the first as grey; what is not finite is black."""
    shown = pixels.detach().cpu().double()
    shown = shown[:3] if len(shown) >= 3 else shown[:1].expand(3, -1, -1)
    finite = shown[shown.isfinite()]
    low, high = (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 1.0)
    share = ((shown - low) / ((high - low) or 1.0)).nan_to_num(0, 0, 0).clamp(0, 1)
    return Image.fromarray((255 * share).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
