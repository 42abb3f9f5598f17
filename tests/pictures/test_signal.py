"""Series as curves and their maps over them."""

from __future__ import annotations

import numpy as np

from helpers.signals import series
from xaikit.pictures.colors import NOT_FINITE
from xaikit.pictures.signal import HEIGHT, WIDTH, overlay_signal, plot


def test_curves_lie_where_their_values_are() -> None:
    ramp = np.asarray(plot(np.linspace(0, 1, 50)[None]).convert("L"), int)[20:-20]
    dark = ramp.min(0) < 200
    heights = ramp.argmin(0)[dark]
    assert dark.mean() > 0.7
    assert (np.diff(heights) <= 0).mean() > 0.95, "it rises to the right"


def test_what_is_no_number_breaks_a_curve_and_is_magenta_in_a_map() -> None:
    values = series(length=32)
    values[:, 10:20] = np.nan
    picture = plot(values)
    assert np.asarray(picture.convert("L"))[15:-15, WIDTH // 3 + 10 : WIDTH * 3 // 5 - 10].min() > 200
    saliency = np.zeros(32)
    saliency[16] = np.nan
    drawn = np.asarray(overlay_signal(picture, saliency, colorbar=False), int)
    middle = drawn[100, WIDTH * 16 // 32 + WIDTH // 64]
    assert middle.tolist() == [round(0.75 * part + 0.25 * 255) for part in NOT_FINITE]


def test_where_a_map_is_nothing_the_paper_stays_white() -> None:
    picture = plot(np.zeros((1, 8)))
    saliency = np.zeros(8)
    saliency[4:] = 1
    drawn = np.asarray(overlay_signal(picture, saliency, colorbar=False), int)
    assert drawn.shape == (HEIGHT, WIDTH, 3)
    assert drawn[60, 20].tolist() == [255, 255, 255]
    assert drawn[60, -20].min() < 200
    assert overlay_signal(picture, saliency).width > WIDTH
    assert np.isfinite(np.asarray(plot(np.full((2, 5), np.nan)))).all(), "nothing to draw is drawn as nothing"
