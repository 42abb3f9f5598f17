"""How what was read becomes what the model receives: pictures, series, volumes and videos, or by a function of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit.bench.bands import preview
from xaikit.errors import DataError
from xaikit.pictures.signal import plot
from xaikit.pictures.volume import below, montage
from xaikit.sources import Interpolation, Kind, Transform

AXES = {"picture": 2, "series": 1, "volume": 3, "video": 3}
"""Of space, by kind."""


@dataclass(frozen=True)
class Framed:
    """A sample, ready.

    pixels  what the model receives, float32 (channels, *S); a tuple or mapping where it takes several inputs
    shown   what people see of it, in the model's frame: a picture, a plotted series, some slices or frames
    whole   all of a photograph at the size at which the model's frame was cut out of it
    frames  of a video, all of them, one below the other
    window  width and height of the file, upright, and x0, y0, x1, y1 in its pixels, where the model looked; None where nobody
            knows
    """

    pixels: Any
    shown: Image.Image
    whole: Image.Image | None = None
    frames: Image.Image | None = None
    window: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ArrayTransform:
    """Of series and volumes (C, *S): resized to ``size``, the middle ``crop`` cut out, less ``mean``, over ``std``.

    size, crop  sides of S; None leaves them as they are
    mean, std   one number for all channels, or one a channel
    """

    size: tuple[int, ...] | None = None
    crop: tuple[int, ...] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    interpolation: Interpolation = "bilinear"

    def __call__(self, values: Tensor) -> Tensor:
        """What the model receives. Raises DataError where the sides or the channels are others."""
        if self.size is not None:
            mode = "nearest-exact" if self.interpolation == "nearest" else {2: "linear", 4: "trilinear"}[values.dim()]
            aligned = {} if mode == "nearest-exact" else {"align_corners": False}
            values = interpolate(values[None], list(self.size), mode=mode, **aligned)[0]
        if self.crop is not None:
            values = _middle(values, self.crop)
        numbers = (torch.tensor(each).reshape(-1, *(1 for _ in values.shape[1:])) for each in (self.mean, self.std))
        mean, std = numbers
        if len(mean) not in (1, len(values)) or len(std) not in (1, len(values)):
            raise DataError(
                f"transform: expected {len(values)} numbers as mean and std, one a channel, got {len(mean)}"
            )
        return (values - mean) / std


def _middle(values: Tensor, crop: Sequence[int]) -> Tensor:
    for axis, (side, taken) in enumerate(zip(values.shape[1:], crop, strict=True), 1):
        if side < taken:
            raise DataError(f"transform: crop: expected at most {side} of {tuple(values.shape[1:])}, got {taken}")
        values = values.narrow(axis, (side - taken) // 2, taken)
    return values


@dataclass(frozen=True)
class OwnTransform:
    """A function of the user's, from a picture in RGB, or from numbers (C, *S), to what the model receives, (channels, *S).

    name    as the config says it
    source  the digest of its module and of those beside it that this imports
    """

    function: Callable[[Any], Any] = field(repr=False)
    name: str
    source: str
    channels: int = 3

    def __call__(self, sample: Image.Image | Tensor) -> Tensor:
        """What the model receives. Raises DataError where the function raises or returns something else."""
        try:
            pixels = self.function(sample)
        except Exception as error:  # a function is anybody's code
            raise DataError(f"transform {self.name}: {type(error).__name__}: {error}") from error
        if not isinstance(pixels, Tensor) or not pixels.is_floating_point() or not 2 <= pixels.dim() <= 4:
            got = f"{pixels.dtype} {tuple(pixels.shape)}" if isinstance(pixels, Tensor) else type(pixels).__name__
            raise DataError(f"transform {self.name}: expected a tensor of floats (channels, *S), got {got}")
        return pixels.detach()


Prepare = Transform | ArrayTransform | OwnTransform


def framed(transform: Prepare, sample: Image.Image | Tensor, kind: Kind, whole: bool = False) -> Framed:
    """A sample as the model receives it, and as people see it.

    Args:
        whole: whether somebody wants to see more of a photograph than the model's frame.

    Raises:
        DataError: it is not what the transform takes.
    """
    if isinstance(transform, Transform) and isinstance(sample, Image.Image):
        picture = transform.picture(sample)
        around = transform.whole(sample) if whole else None
        window = _window(transform, sample.size, sample.info.get("size", sample.size))
        return Framed(transform.tensor(picture), picture.convert("RGB"), around, window=window)
    if isinstance(transform, OwnTransform):
        pixels = transform(sample)
        return _shown(pixels, _stretched(pixels), kind)
    values: Tensor = to_tensor(sample) if isinstance(sample, Image.Image) else sample
    if isinstance(transform, Transform):
        return _of_bands(transform, values, kind)
    pixels = transform(values)
    return _shown(pixels, _stretched(pixels), kind)


def _window(transform: Transform, decoded: tuple[int, int], file: tuple[int, int]) -> tuple[float, ...]:
    """Where the model looks in a file, which may have been decoded at reduced size."""
    scales = [whole / part for whole, part in zip(file, decoded, strict=True)] * 2
    return (*file, *(edge * scale for edge, scale in zip(transform.window(decoded), scales, strict=True)))


def _of_bands(transform: Transform, bands: Tensor, kind: Kind) -> Framed:
    """Of numbers (C, H, W) in [0, 1], or of frames (C, F, H, W) that are prepared as pictures are."""
    bands = transform.bands(bands)
    if bands.dim() == 3:
        return Framed(transform.tensor(bands), preview(bands))
    if len(bands) != transform.channels:
        raise DataError(f"transform: expected {transform.channels} channels, got {len(bands)}")
    return _shown(transform.tensor(bands.transpose(0, 1)).transpose(0, 1).contiguous(), bands, kind)


def _shown(pixels: Tensor, unit: Tensor, kind: Kind) -> Framed:
    """What people see of numbers in [0, 1]."""
    if pixels.dim() == 2:
        return Framed(pixels, plot(pixels.numpy()))
    if pixels.dim() == 3:
        return Framed(pixels, _picture(unit))
    frames = [_picture(unit[:, place] if kind == "video" else unit[:1, place]) for place in range(unit.shape[1])]
    return Framed(pixels, montage(frames), None, below(frames) if kind == "video" else None)


def _picture(unit: Tensor) -> Image.Image:
    colours = unit[:3] if len(unit) >= 3 else unit[:1].expand(3, -1, -1)
    return Image.fromarray((255 * colours).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())


def _stretched(values: Tensor) -> Tensor:
    """From the least to the largest number in [0, 1]; what is no number is 0."""
    finite = values.where(values.isfinite(), 0)
    low, high = finite.min(), finite.max()
    return (finite - low) / (high - low).clamp(min=1e-12)


def to_tensor(picture: Image.Image) -> Tensor:
    """A picture in [0, 1], (channels, H, W); torchvision is imported with the first, as it takes long."""
    from torchvision.transforms import functional

    values: Tensor = functional.to_tensor(picture)
    return values
