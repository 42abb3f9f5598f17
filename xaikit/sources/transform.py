"""From a picture's file to what the model receives.

The transform is ours rather than a source's own callable, because a report needs to know where on the file the model
looked and what it saw there: ``crop`` gives the picture in the model's frame, ``tensor`` the numbers it receives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from xaikit.errors import ConfigError, is_count

if TYPE_CHECKING:
    from torch import Tensor

Interpolation = Literal["bilinear", "bicubic", "nearest"]
Fit = Literal["crop", "squash", "pad"]
"""How a picture of another aspect comes to fit: its middle is cut out, it is squashed as a whole, or black is added."""


@dataclass(frozen=True)
class Transform:
    """Resize the shorter side to ``size``, cut the centre ``crop`` out, scale to [0, 1], subtract ``mean``, divide by
    ``std``.

    size           shorter side in pixels, (height, width) to reach exactly, or fit: so that all of it is within the crop
    crop           side or (height, width) of the centre crop in pixels; black is added where it is larger than the picture
    mean, std      one number a channel of the model's input, in units of [0, 1]: three for colours, one for grey
    interpolation  of the resize, with antialiasing
    """

    size: int | tuple[int, int] | Literal["fit"] = 256
    crop: int | tuple[int, int] = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        for name, stated in (("size", self.size), ("crop", self.crop)):
            sides = [stated, stated] if isinstance(stated, int) else stated
            is_fit = name == "size" and stated == "fit"
            is_pair = isinstance(sides, (tuple, list)) and len(sides) == 2 and all(is_count(side, 1) for side in sides)
            if not is_fit and not is_pair:
                also = " or 'fit'" if name == "size" else ""
                raise ConfigError(f"transform: {name}: expected pixels, (height, width){also}, got {stated!r}")

    @property
    def channels(self) -> int:
        """Of the model's input."""
        return len(self.mean)

    def picture(self, photograph: Image.Image) -> Image.Image:
        """The picture in the frame of the model: resized and cropped, colours untouched."""
        high, wide = self._resized(photograph.size)
        if high * wide > MOST_PIXELS:
            resized = _resized_middle(photograph, (high, wide), _pair(self.crop), self.interpolation)
        else:
            resized = self._resize(photograph)
        cropped: Image.Image = _torchvision().center_crop(resized, _pair(self.crop))
        return cropped

    def whole(self, photograph: Image.Image) -> Image.Image | None:
        """All of a picture at the size at which :meth:`picture` cuts the middle out; None where that is no part of it, or it is
        too large."""
        (high, wide), (crop_high, crop_wide) = self._resized(photograph.size), _pair(self.crop)
        if high * wide > MOST_PIXELS or high < crop_high or wide < crop_wide:
            return None
        resized: Image.Image = self._resize(photograph)
        return resized

    def window(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Where on a picture of a size (width, height) the model looks: x0, y0, x1, y1 in its pixels, beyond its edges where the
        crop is larger than the picture has become."""
        (high, wide), (crop_high, crop_wide) = self._resized(size), _pair(self.crop)
        (left, right), (top, bottom) = center(wide, crop_wide), center(high, crop_high)
        x, y = size[0] / wide, size[1] / high
        return left * x, top * y, right * x, bottom * y

    def bands(self, bands: Tensor) -> Tensor:
        """The same of a picture that is no photograph: any channels (C, H, W), in [0, 1]."""
        cropped: Tensor = _torchvision().center_crop(self._resize(bands), _pair(self.crop))
        return cropped.clamp(0, 1)  # bicubic resizing overshoots

    def tensor(self, picture: Image.Image | Tensor) -> Tensor:
        """What the model receives of a picture in its frame: float32 (channels, H, W)."""
        pixels = _torchvision().to_tensor(picture) if isinstance(picture, Image.Image) else picture
        normalized: Tensor = _torchvision().normalize(pixels, list(self.mean), list(self.std))
        return normalized

    def _resized(self, before: tuple[int, int]) -> tuple[int, int]:
        """The height and width that a resize reaches, of a picture of (width, height)."""
        if self.size == "fit":
            high, wide = _pair(self.crop)
            scale = min(wide / before[0], high / before[1])
            return max(1, round(before[1] * scale)), max(1, round(before[0] * scale))
        if not isinstance(self.size, int):
            return self.size
        wide, high = (self.size * side // min(before) for side in before)
        return high, wide

    def _resize(self, picture: Any) -> Any:
        size = [self.size] if isinstance(self.size, int) else list(self._resized(_size(picture)))
        functional = _torchvision()
        return functional.resize(picture, size, functional.InterpolationMode(self.interpolation), antialias=True)


def _torchvision() -> Any:
    """Its functions of pictures, imported with the first picture: that takes longer than torch does, and most of what one asks
    on the command line prepares none."""
    from torchvision.transforms import functional

    return functional


MOST_PIXELS = 1 << 26
"""Of a resized picture; of one that would have more, only what the crop takes is resized."""


def _pair(side: int | tuple[int, int]) -> list[int]:
    return [side, side] if isinstance(side, int) else list(side)


def _size(picture: Image.Image | Tensor) -> tuple[int, int]:
    """Width and height."""
    return picture.size if isinstance(picture, Image.Image) else (picture.shape[-1], picture.shape[-2])


def center(side: int, taken: int) -> tuple[int, int]:
    """The first pixel that a center crop takes of a side, and the one behind the last, as torchvision rounds; beyond the ends
    where it takes more than there are.

    >>> center(10, 5), center(4, 7)
    ((2, 7), (-1, 6))
    """
    start = round((side - taken) / 2) if taken <= side else -((taken - side) // 2)
    return start, start + taken


def _resized_middle(
    photograph: Image.Image, size: tuple[int, int], crop: Sequence[int], interpolation: Interpolation
) -> Image.Image:
    """The middle of a picture as it would be resized to ``size``, as much of it as the crop takes."""
    spans, sides = [], []
    for side, resized, taken in zip(photograph.size[::-1], size, crop, strict=True):
        start, end = center(resized, min(taken, resized))
        spans.append((start * side / resized, end * side / resized))
        sides.append(end - start)
    (top, bottom), (left, right) = spans
    resample = Image.Resampling[interpolation.upper()]
    return photograph.resize((sides[1], sides[0]), resample, box=(left, top, right, bottom))


IMAGENET = Transform()
"""What most classifiers that were trained on ImageNet are given."""
