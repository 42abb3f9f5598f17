"""Colour tables and the colour of what is no number.

Ours are computed in Oklab, where equal steps look equal: B. Ottosson, "A perceptual color space for image processing" (2020).
The others are what figures elsewhere are drawn in: gray, jet, and viridis by the polynomial of M. Zucker (2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.uint8]

NOT_FINITE = (255, 0, 255)  # magenta, in no table


@cache
def table(colormap: str) -> Table:
    """The 256 colours of a name of :data:`COLORMAPS`: uint8 (256, 3).

    Raises:
        ValueError: there is no such name.
    """
    if colormap not in COLORMAPS:
        raise ValueError(f"colormap: expected one of auto, {', '.join(COLORMAPS)}, got {colormap!r}")
    return COLORMAPS[colormap]()


def sequential() -> Table:
    """Dark violet over red to light yellow for maps in [0, 1]: lightness rises linearly.

    >>> table("sequential")[0].tolist(), table("sequential")[255].tolist()
    ([17, 8, 65], [248, 243, 163])
    """
    return _oklab(lambda t: (0.20 + 0.75 * t, 0.10 + 0.09 * math.sin(math.pi * t), 280 + 185 * t))


def diverging() -> Table:
    """Blue over near white to red for maps in [-1, 1]: lightness falls linearly on both sides of 0.

    >>> table("diverging")[0].tolist(), table("diverging")[255].tolist()
    ([28, 101, 200], [182, 49, 50])
    """

    def lch(t: float) -> tuple[float, float, float]:
        signed = 2 * t - 1
        return 0.97 - 0.45 * abs(signed), 0.17 * abs(signed), 25 if signed > 0 else 258

    return _oklab(lch)


def gray() -> Table:
    """Black to white."""
    return np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)


def jet() -> Table:
    """Blue over green to red, as heatmaps of most papers are."""
    return _bytes(1.5 - np.abs(4 * _RAMP[:, None] - [3, 2, 1]))


def viridis() -> Table:
    """Dark violet over green to yellow."""
    return _polynomial(
        (0.27772733, 0.10509304, -0.33086183, -4.63423050, 6.22826994, 4.77638500, -5.43545586),
        (0.00540734, 1.40461353, 0.21484756, -5.79910097, 14.17993337, -13.74514538, 4.64585261),
        (0.33409981, 1.38459016, 0.09509516, -19.33244096, 56.69055260, -65.35303263, 26.31243525),
    )


COLORMAPS: Mapping[str, Callable[[], Table]] = {
    each.__name__: each for each in (sequential, diverging, gray, jet, viridis)
}
"""By name. ``auto`` in their place is the first, and of signed maps the second."""

_RAMP = np.linspace(0, 1, 256)


def _polynomial(*channels: tuple[float, ...]) -> Table:
    """One polynomial of t in [0, 1] a channel, its lowest coefficient first."""
    return _bytes(np.stack([np.polynomial.polynomial.polyval(_RAMP, channel) for channel in channels], 1))


def _bytes(values: NDArray[Any]) -> Table:
    rounded: Table = np.rint(255 * values.clip(0, 1)).astype(np.uint8)
    return rounded


def _oklab(lch: Callable[[float], tuple[float, float, float]]) -> Table:
    return np.array([_rgb(*lch(index / 255)) for index in range(256)], np.uint8)


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
