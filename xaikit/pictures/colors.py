"""Two colour tables and the colour of what is no number; computed in Oklab, where equal steps look equal.

B. Ottosson, "A perceptual color space for image processing" (2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

NOT_FINITE = (255, 0, 255)  # magenta, in neither table


@cache
def sequential() -> Tensor:
    """Dark violet over red to light yellow for maps in [0, 1]: uint8 (256, 3), lightness rises linearly.

    >>> sequential()[0].tolist(), sequential()[255].tolist()
    ([17, 8, 65], [248, 243, 163])
    """
    return _table(lambda t: (0.20 + 0.75 * t, 0.10 + 0.09 * math.sin(math.pi * t), 280 + 185 * t))


@cache
def diverging() -> Tensor:
    """Blue over near white to red for maps in [-1, 1]: uint8 (256, 3), lightness falls linearly on both sides of 0.

    >>> diverging()[0].tolist(), diverging()[255].tolist()
    ([28, 101, 200], [182, 49, 50])
    """

    def lch(t: float) -> tuple[float, float, float]:
        signed = 2 * t - 1
        return 0.97 - 0.45 * abs(signed), 0.17 * abs(signed), 25 if signed > 0 else 258

    return _table(lch)


def _table(lch: Callable[[float], tuple[float, float, float]]) -> Tensor:
    return torch.tensor([_rgb(*lch(index / 255)) for index in range(256)], dtype=torch.uint8)


def _rgb(lightness: float, chroma: float, hue: float) -> list[int]:
    """Lightness in [0, 1], chroma, hue in degrees, to sRGB in 0..255."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3  # noqa: E741
    m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    )
    return [round(255 * _gamma(min(max(value, 0.0), 1.0))) for value in linear]


def _gamma(value: float) -> float:
    """Linear light to sRGB, IEC 61966-2-1."""
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
