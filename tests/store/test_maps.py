import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from xaikit.store.maps import MapFormat, decode, encode

KINDS: tuple[MapFormat, ...] = ("float16", "uint8", "float32")
SHAPES = array_shapes(min_dims=3, max_dims=5, max_side=4)
VALUES = st.floats(width=32, allow_nan=False, allow_infinity=False)
TINY = 1e-44  # two steps of the smallest float32


def there_and_back(raw: torch.Tensor, stored_as: MapFormat) -> torch.Tensor:
    return torch.from_numpy(decode("k", encode("k", raw.numpy(), stored_as)))


@given(arrays("float32", SHAPES, elements=VALUES))
def test_half_precision_is_within_half_a_step_of_the_largest_value(array) -> None:  # type: ignore[no-untyped-def]
    raw = torch.from_numpy(array)
    decoded = there_and_back(raw, "float16")
    most = raw.double().flatten(2).abs().amax(2)
    error = (decoded.double() - raw.double()).flatten(2).abs().amax(2)
    assert decoded.dtype == torch.float32
    assert (error <= 2**-11 * most + TINY).all()


@given(arrays("float32", SHAPES, elements=st.floats(0, 2.0**127, width=32)))
def test_bytes_are_within_half_of_255_steps_of_a_rectified_map(array) -> None:  # type: ignore[no-untyped-def]
    raw = torch.from_numpy(array)
    stored = encode("k", array, "uint8")
    most = raw.double().flatten(2).amax(2)
    error = (torch.from_numpy(decode("k", stored)).double() - raw.double()).flatten(2).abs().amax(2)
    assert stored["k"].dtype == np.uint8
    assert (error <= most * (1 / 510 + 1e-6) + TINY).all()


@given(arrays("float32", SHAPES, elements=st.floats(width=32)))
def test_float32_comes_back_bit_for_bit(array) -> None:  # type: ignore[no-untyped-def]
    raw = torch.from_numpy(array)
    assert torch.equal(there_and_back(raw, "float32").view(torch.int32), raw.view(torch.int32))


def test_bytes_keep_only_what_a_relu_leaves_and_negatives_cost_no_steps() -> None:
    decoded = there_and_back(torch.tensor([[[-100.0, 1.0, 0.5]]]), "uint8")
    torch.testing.assert_close(decoded, torch.tensor([[[0.0, 1.0, 0.5]]]), rtol=0, atol=1 / 510 + 1e-6)


@pytest.mark.parametrize("stored_as", KINDS)
@pytest.mark.parametrize("finite", [0.0, -2.0])
def test_what_is_not_finite_stays_visible_and_spoils_nothing_else(stored_as: MapFormat, finite: float) -> None:
    raw = torch.tensor([[[math.nan, math.inf, -math.inf, finite]], [[1.0, 2.0, 3.0, 4.0]]])
    decoded = there_and_back(raw, stored_as)
    torch.testing.assert_close(decoded, raw, rtol=2**-11, atol=0, equal_nan=True)


@pytest.mark.parametrize("stored_as", KINDS)
@pytest.mark.parametrize("shape", [(2, 1, 3), (2, 3, 4, 4), (1, 1, 2, 3, 4)])
def test_zero_maps_are_zero(stored_as: MapFormat, shape: tuple[int, ...]) -> None:
    assert torch.equal(there_and_back(torch.zeros(shape), stored_as), torch.zeros(shape))


def test_every_map_has_a_scale_of_its_own() -> None:
    raw = torch.tensor([[[1e-30, 0.0], [1e30, 0.0]]])
    torch.testing.assert_close(there_and_back(raw, "float16"), raw, rtol=2**-11, atol=0)


@pytest.mark.parametrize("stored_as", KINDS)
def test_views_and_other_types_are_taken(stored_as: MapFormat) -> None:
    batch = np.arange(8.0).reshape(1, 2, 2, 2)
    for raw in (batch, batch.swapaxes(2, 3), batch[:, :1], batch.astype(np.float32)):
        stored = encode("k", raw, stored_as)
        assert all(part.flags.c_contiguous for part in stored.values())
        np.testing.assert_allclose(decode("k", stored), raw, rtol=0, atol=7 / 510)
