"""Maps as bytes: what a byte stands for, and what is averaged."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from xaikit.report.page.packing import NOT_FINITE, STEPS, Entry, Packer, averaged_to


def unpacked(entry: Entry, packer: Packer) -> np.ndarray:
    """A map as a browser reads it."""
    _, offset, height, width, low, high, slices, _ = entry
    data = zlib.decompress(base64.b64decode(packer.packed()))
    steps = np.frombuffer(data, np.uint8)[offset : offset + slices * height * width].astype(float)
    return np.where(steps == NOT_FINITE, np.nan, low + steps / STEPS * (high - low)).reshape(slices, height, width)


@pytest.mark.parametrize("signed", [False, True])
def test_a_map_comes_back_within_half_a_step(signed: bool) -> None:
    values = np.random.default_rng(0).uniform(-1 if signed else 0, 3.7, (7, 9))
    packer = Packer()
    entry = packer.add("layer4", values, signed)
    assert np.abs(unpacked(entry, packer)[0] - values).max() <= (entry[5] - entry[4]) / STEPS / 2 * 1.0001


def test_zero_is_exact_and_nan_stays_visible() -> None:
    packer = Packer()
    entry = packer.add("a", np.array([[0.0, 1.3, -2.0, np.nan, np.inf]]), True)
    values = unpacked(entry, packer).ravel()
    assert values[0] == 0
    assert values[2] == -2.0
    assert np.isnan(values[3:]).all()


def test_a_map_that_is_negative_somewhere_is_signed_whatever_is_said() -> None:
    assert Packer().add("a", np.array([[-0.5, 0.25]]), False)[4:6] == [-0.5, 0.5]


def test_a_flat_map_and_an_empty_range() -> None:
    packer = Packer()
    zero, flat = packer.add("a", np.zeros((2, 2)), False), packer.add("b", np.full((2, 2), 0.3), False)
    assert (unpacked(zero, packer) == 0).all()
    assert unpacked(flat, packer) == pytest.approx(0.3)


def test_equal_maps_are_packed_once() -> None:
    packer = Packer()
    offsets = [packer.add(layer, np.ones((7, 7)), False)[1] for layer in "abc"]
    assert offsets == [0, 0, 0]


@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4)])
def test_maps_of_one_to_three_axes(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).uniform(0, 1, shape)
    packer = Packer()
    entry = packer.add("a", values, False)
    assert np.abs(unpacked(entry, packer).reshape(shape) - values).max() < 1 / STEPS


def test_a_large_map_is_averaged_and_says_so() -> None:
    values = np.arange(128 * 100, dtype=float).reshape(128, 100)
    entry = Packer().add("a", values, False)
    assert (entry[2:4], entry[7]) == ([64, 64], [128, 100])
    small = averaged_to(values, 64)
    assert small.mean() == pytest.approx(values.mean())
    assert small[:, 0] == pytest.approx(_first(values))


def _first(values: np.ndarray) -> np.ndarray:
    """Cells of 2 lines by 100 / 64 columns: one whole column, and 36 / 64 of the next."""
    lines = (values[::2] + values[1::2]) / 2
    return (lines[:, 0] + 36 / 64 * lines[:, 1]) / (100 / 64)
