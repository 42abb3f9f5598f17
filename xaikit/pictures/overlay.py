"""A map laid over its picture, linear in the map, with a colour bar that says what the colours stand for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit.pictures import colors
from xaikit.pictures.lettering import INK, length, write

_PAPER = (255, 255, 255)


@dataclass(frozen=True)
class Scale:
    """How values become colours: linearly, from ``low`` (the table's first entry) to ``high`` (its last).

    Maps in [0, 1] keep that range and signed maps [-1, 1], so that maps compare; only what leaves it widens the
    range to max|x|. ``odd`` is "NaN" or "inf" where the map has such values, else "".
    """

    low: float
    high: float
    table: Tensor
    odd: str

    @classmethod
    def of(cls, saliency: Tensor, signed: bool = False) -> Scale:
        """The scale of a map, a signed one where it has to be; NaN and infinite values do not count."""
        values = saliency[saliency.isfinite()]
        high = max(1.0, float(values.abs().max())) if values.numel() else 1.0
        signed = signed or bool((values < 0).any())
        table = colors.diverging() if signed else colors.sequential()
        odd = "NaN" if saliency.isnan().any() else "inf" if saliency.isinf().any() else ""
        return cls(-high if signed else 0.0, high, table, odd)

    def colored(self, saliency: Tensor) -> Tensor:
        """A floating map (H, W) as colours: uint8 (H, W, 3); magenta where it is not finite."""
        finite = saliency.isfinite()
        share = (saliency.where(finite, self.low) - self.low) / (self.high - self.low)
        index = (255 * share.clamp(0, 1)).round().long()
        return self.table[index].where(finite.unsqueeze(-1), torch.tensor(colors.NOT_FINITE, dtype=torch.uint8))


def overlay(
    picture: Image.Image,
    saliency: Tensor,
    alpha: float = 0.5,
    *,
    signed: bool = False,
    background: Image.Image | None = None,
) -> Image.Image:
    """The map over the picture, a colour bar to the right.

    Args:
        picture: the picture as the model saw it.
        saliency: a finished map (H, W) of any dtype; of another size than the picture it is resized bilinearly (half-pixel).
        alpha: the share of the map's colours, in [0, 1].
        signed: whether maps of this kind may be negative, so that they share one scale even where this one is not.
        background: the whole photograph, out of the middle of which the picture was cut.

    Returns:
        An RGB picture of the same height; its left part is (1 - alpha) picture + alpha colours, around it the background.

    Raises:
        ValueError: the map is not two-dimensional.
    """
    if saliency.ndim != 2:
        raise ValueError(f"overlay: expected a map (H, W), got shape {tuple(saliency.shape)}")
    fitted = _fitted(saliency.detach().cpu().double(), (picture.height, picture.width))
    scale = Scale.of(fitted, signed)
    blended = _blend(picture.convert("RGB"), scale.colored(fitted), alpha)
    shown = blended if background is None else _in_the_middle(blended, background.convert("RGB"))
    bar = color_bar(scale, shown.height)
    joined = Image.new("RGB", (shown.width + bar.width, shown.height))
    joined.paste(shown, (0, 0))
    joined.paste(bar, (shown.width, 0))
    return joined


def _in_the_middle(picture: Image.Image, background: Image.Image) -> Image.Image:
    left, top = (round((whole - part) / 2) for whole, part in zip(background.size, picture.size, strict=True))
    around = background.copy()
    around.paste(picture, (left, top))  # rounded as center_crop does
    return around


def color_bar(scale: Scale, height: int) -> Image.Image:
    """The colours of a scale from bottom to top, with the numbers at both ends."""
    size = min(28, max(8, height // 18))
    bar = round(0.9 * size)
    numbers = [f"{scale.high:.3g}", f"{scale.low:.3g}"]
    widest = max(length(word, size) for word in (*numbers, scale.odd))
    strip = Image.new("RGB", (bar + size + round(widest), height), _PAPER)
    ramp = torch.linspace(255, 0, height).round().long()
    strip.paste(_image(scale.table[ramp].unsqueeze(1).repeat(1, bar, 1)), (size // 2, 0))
    draw, x = ImageDraw.Draw(strip), size // 2 + bar + size // 4
    write(draw, (x, 0), numbers[0], size, INK)
    write(draw, (x, height - 1.2 * size), numbers[1], size, INK)
    write(draw, (x, (height - size) / 2), scale.odd, size, colors.NOT_FINITE)
    return strip


def _fitted(saliency: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(saliency.shape) == size:
        return saliency
    return interpolate(saliency[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def _blend(picture: Image.Image, colored: Tensor, alpha: float) -> Image.Image:
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(colored.shape)
    return _image((pixels.double() * (1 - alpha) + colored.double() * alpha).round().to(torch.uint8))


def _image(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.contiguous().numpy())
