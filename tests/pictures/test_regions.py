"""Regions of maps: thresholds, connected parts, boxes."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops

import xaikit
from xaikit import ConfigError
from xaikit.pictures.regions import otsu, regions, union

SEEDS = st.integers(0, 1000)


def blobs(seed: int) -> Any:
    values = np.random.default_rng(seed).random((9, 12)) ** 3
    return values / values.max()


@given(SEEDS, st.floats(0.05, 1))
def test_parts_are_those_of_scikit_image(seed: int, threshold: float) -> None:
    values = blobs(seed)
    ours = {(part.box, part.area) for part in regions(values, threshold)}
    theirs = regionprops(label(values >= threshold * values.max(), connectivity=2))
    assert ours == {((one.bbox[1], one.bbox[0], one.bbox[3], one.bbox[2]), int(one.area)) for one in theirs}


@given(SEEDS)
def test_otsu_is_that_of_scikit_image(seed: int) -> None:
    assert otsu(blobs(seed)) == pytest.approx(threshold_otsu(blobs(seed)))


@given(SEEDS, st.sampled_from([0.3, 80, "80%", "p80", "otsu"]))
def test_parts_are_sorted_apart_and_complete(seed: int, threshold: Any) -> None:
    values = blobs(seed)
    parts = xaikit.regions(values, threshold)
    assert [part.area for part in parts] == sorted((part.area for part in parts), reverse=True)
    mask = union(parts, values.shape)
    assert mask.sum() == sum(part.area for part in parts)
    assert sum(part.mass for part in parts) == pytest.approx(values[mask].sum() / values.sum())
    assert parts[0].peak <= 1
    (largest,) = xaikit.regions(values, threshold, keep="largest")
    assert largest.box == parts[0].box


def test_every_region_has_its_own_mask_and_as_many_as_there_are_need_no_more_memory_than_the_map() -> None:
    values = np.zeros((128, 128))
    values[::2, ::2] = np.arange(1, 4097).reshape(64, 64)
    tracemalloc.start()
    parts = regions(values, "0%")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(parts) == 4096
    assert peak < 20e6, "a mask each would be 67 MB"
    assert all(part.mask.sum() == 1 and values[part.mask] == part.peak for part in parts[::512])


def test_a_percentile_is_of_all_values() -> None:
    values = np.arange(100).reshape(10, 10)
    for threshold in (90, "90%", "p90"):
        assert sum(part.area for part in regions(values, threshold)) == 10


def test_a_threshold_is_a_number_of_any_kind() -> None:
    values = blobs(0)
    boxes = [part.box for part in regions(values, 0.5)]
    for threshold in (np.float32(0.5), np.array(0.5), torch.tensor(0.5)):
        assert [part.box for part in regions(values, threshold)] == boxes
    with pytest.raises(ConfigError, match="threshold: expected a share"):
        regions(values, np.array([0.5, 0.5]))


def test_tensors_of_any_type_and_dimension() -> None:
    values = torch.zeros(4, 5, 6, dtype=torch.bfloat16, requires_grad=True)
    with torch.no_grad():
        values[1:3, 2:4, 3:6] = 1
    assert [part.box for part in regions(values)] == [(3, 2, 1, 6, 4, 3)]
    assert [part.box for part in regions(torch.tensor([0.0, 1, 1, 0]))] == [(1, 3)]


@pytest.mark.parametrize("values", [np.zeros((3, 3)), -np.ones((3, 3)), np.zeros((0, 3))])
def test_a_map_that_is_nowhere_positive_has_none(values: Any) -> None:
    assert regions(values) == regions(values, "otsu") == []


def test_what_is_not_positive_stands_out_by_no_threshold() -> None:
    (part,) = regions([[-1.0, 0, 2]], "0%")
    assert part.box == (2, 0, 3, 1)


@pytest.mark.parametrize("threshold", [0.5, 50, "otsu"])
def test_a_map_that_is_the_same_everywhere_stands_out_as_a_whole(threshold: Any) -> None:
    (part,) = regions(np.ones((3, 4)), threshold)
    assert (part.box, part.mass) == ((0, 0, 4, 3), 1)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([[1.0, np.nan]], {}, "expected a finite map .* got NaN or infinite values at 1 of 2 places"),
        (3.0, {}, "got a single number"),
        ("map", {}, "expected numbers"),
        ([[1.0]], {"threshold": 0}, "threshold: expected a share .* got 0"),
        ([[1.0]], {"threshold": 101}, "got 101"),
        ([[1.0]], {"threshold": "101%"}, "got '101%'"),
        ([[1.0]], {"threshold": "otsy"}, "got 'otsy'"),
        ([[1.0]], {"threshold": True}, "got True"),
        ([[1.0]], {"threshold": None}, "got None"),
        ([[1.0]], {"keep": "biggest"}, "keep: expected 'largest' or 'all', got 'biggest'"),
    ],
)
def test_what_is_no_map_or_choice_is_refused(values: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        regions(values, **options)
