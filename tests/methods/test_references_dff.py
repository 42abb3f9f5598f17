"""DFF restated in numpy: a full singular value decomposition, plain updates, float64, no xaikit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import xaikit
from helpers.nets import Spec, distance
from helpers.slow_formulas import Array
from helpers.views import made_view
from xaikit.needs import Needs
from xaikit.registry import Registry

EXACT = 1e-10


def dff(a: Array, concepts: int, iterations: int, negative: str) -> tuple[Array, Array]:
    """Maps (N, concepts, *S) of activations (N, C, *S), and what is left of every sample."""
    rows = np.moveaxis(a, 1, -1).reshape(-1, a.shape[1])
    for k in range(rows.shape[1]):
        rows[:, k] = np.maximum(rows[:, k], 0) if negative == "clip" else rows[:, k] - rows[:, k].min()
    # the start is not homogeneous: a mean stands beside roots of singular values
    peak = rows.max()
    rows = rows / peak
    w, h = start(rows, concepts)
    for _ in range(iterations):
        h = h * ratio(w.T @ rows, w.T @ w @ h)
        w = w * ratio(rows @ h.T, w @ h @ h.T)
    length = np.sqrt((h**2).sum(1))
    order = np.argsort(-np.sqrt(((w * length) ** 2).sum(0)), kind="stable")
    left = (rows - w @ h).reshape(len(a), -1)
    error = np.sqrt((left**2).sum(1) / (rows.reshape(len(a), -1) ** 2).sum(1))
    maps = peak * (w * length)[:, order].reshape(len(a), *a.shape[2:], concepts)
    return np.moveaxis(maps, -1, 1), error


def ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


def start(rows: Array, concepts: int) -> tuple[Array, Array]:
    """Boutsidis and Gallopoulos 2008 by a full singular value decomposition, with the mean for zeros."""
    u, values, v = np.linalg.svd(rows, full_matrices=False)
    w, h = np.zeros((len(rows), concepts)), np.zeros((concepts, rows.shape[1]))
    for k in range(concepts):
        sides = [(np.maximum(sign * u[:, k], 0), np.maximum(sign * v[k], 0)) for sign in (1, -1)]
        left, right = max(sides, key=lambda side: float(np.linalg.norm(side[0]) * np.linalg.norm(side[1])))
        a, b = np.linalg.norm(left), np.linalg.norm(right)
        w[:, k] = np.sqrt(values[k] * a * b) * left / a
        h[k] = np.sqrt(values[k] * a * b) * right / b
    mean = rows.mean()
    return np.where(w > 1e-5 * w.max(0), w, mean), np.where(h > 1e-5 * h.max(1)[:, None], h, mean)


def factorized(a: Tensor, **options: Any) -> tuple[Tensor, Tensor, list[str]]:
    """The maps, the error (N, 1) and what was remarked on."""
    view = made_view(a, needs=Needs(scores=False))
    saliency = Registry().find("method", "dff").cls(**options).explain(view)
    remarks = [noted.reason for noted in view.noted if noted.counts.any()]
    return saliency, view.numbers["error"], remarks


def drawn(*shape: int, signed: bool = False, seed: int = 0) -> Tensor:
    a = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return a if signed else a.relu()


@pytest.mark.parametrize("negative", ["clip", "shift"])
@pytest.mark.parametrize("shape", [(2, 6, 5), (3, 6, 4, 4), (1, 30, 3, 3), (2, 5, 3, 2, 2)])
def test_dff_is_its_formula_by_a_full_singular_value_decomposition(shape: tuple[int, ...], negative: str) -> None:
    for signed in (False, True):
        a = drawn(*shape, signed=signed)
        saliency, error, _ = factorized(a, concepts=3, iterations=20, negative=negative)
        maps, left = dff(a.numpy().copy(), 3, 20, negative)
        assert saliency.shape == (shape[0], 3, *shape[2:])
        assert distance(saliency, torch.from_numpy(maps)) <= 1e-9
        assert (error[:, 0] - torch.from_numpy(left)).abs().max() <= 1e-10


def test_dff_finds_parts_that_images_share() -> None:
    """Two parts with channels of their own, in another place of every image: found to rounding, and as large as they are."""
    maps = torch.zeros(3, 2, 4, 4, dtype=torch.float64)
    maps[0, 0, :2], maps[1, 0, :, :1], maps[2, 0, 2:, 2:] = 3.0, 2.0, 1.0
    maps[0, 1, 3], maps[1, 1, :, 3:] = 1.0, 0.5
    looks = torch.tensor([[1.0, 2, 0, 0, 2], [0, 0, 3, 4, 0]], dtype=torch.float64)
    saliency, error, remarks = factorized(torch.einsum("nkhw,kc->nchw", maps, looks), concepts=2)
    assert distance(saliency, maps * looks.norm(dim=1)[:, None, None]) <= 1e-9
    assert error.max() <= 1e-9
    assert remarks == []


def test_dff_is_homogeneous_and_permuted_with_its_batch() -> None:
    a = drawn(3, 6, 4, 4)
    saliency, _, _ = factorized(a, concepts=3)
    assert distance(factorized(1e-25 * a, concepts=3)[0], 1e-25 * saliency) <= 1e-9
    assert distance(factorized(a[[2, 0, 1]], concepts=3)[0], saliency[[2, 0, 1]]) <= 1e-7


def test_dff_of_one_image_alone_has_other_concepts() -> None:
    a = drawn(3, 6, 4, 4)
    assert distance(factorized(a[:1], concepts=2)[0], factorized(a, concepts=2)[0][:1]) > 0.05


def test_dff_explains_more_with_more_concepts_and_says_when_it_is_not_settled() -> None:
    a = drawn(2, 12, 5, 5)
    errors = [factorized(a, concepts=concepts)[1].max() for concepts in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert factorized(a, concepts=4, iterations=3)[2] == ["not settled: take more iterations"]


@pytest.mark.parametrize("concepts", [1, 9])
def test_dff_of_nothing_is_nothing_and_of_too_little_is_finite(concepts: int) -> None:
    nothing, error, remarks = factorized(torch.zeros(2, 4, 3, 3), concepts=concepts)
    assert torch.equal(nothing, torch.zeros(2, concepts, 3, 3))
    assert not error.any()
    assert remarks == []
    saliency, error, _ = factorized(drawn(1, 2, 3, 1).float(), concepts=concepts)
    assert saliency.isfinite().all()
    assert (error <= 1).all()


def test_dff_leaves_out_places_that_are_not_finite() -> None:
    a = drawn(2, 6, 4, 4)
    a[1, 2, 3, 3] = torch.inf
    saliency, _, _ = factorized(a, concepts=2)
    assert saliency[1, :, 3, 3].isnan().all()
    assert saliency.isnan().sum() == 2


def test_dff_of_signed_activations_is_that_of_what_a_relu_leaves_or_of_what_lies_above_the_minimum() -> None:
    a = drawn(2, 6, 4, 4, signed=True)
    clipped, shifted = (factorized(a, negative=negative)[0] for negative in ("clip", "shift"))
    assert torch.equal(clipped, factorized(a.relu())[0])
    least = a.amin((0, 2, 3), keepdim=True)
    assert distance(shifted, factorized(a - least)[0]) <= EXACT
    assert distance(shifted, clipped) > 0.05


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_dff_computes_in_float32_at_least(dtype: torch.dtype) -> None:
    a = drawn(2, 6, 4, 4).to(dtype)
    saliency, _, _ = factorized(a, concepts=2)
    assert saliency.dtype is torch.float32
    assert torch.equal(saliency, factorized(a.float(), concepts=2)[0])


def test_concepts_stand_on_the_axis_of_targets_whatever_the_target() -> None:
    net, x = Spec(width=5).build()
    for target in (0, {"use": "classes", "of": [0, 1]}):
        explanation = xaikit.explain(net, x, {"dff": {"concepts": 3}}, layers="features", target=target)["dff"]
        assert explanation.maps["features"].shape == (2, 3, 7, 6)
        expected, error, _ = factorized(net.features(x).detach(), concepts=3)
        assert distance(explanation.maps["features"], expected) <= EXACT
        assert torch.equal(explanation.numbers["error"]["features"], error.expand(-1, 3))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"concepts": 0}, "concepts: expected at least 1, got 0"),
        ({"iterations": 0}, "iterations: expected at least 1, got 0"),
        ({"negative": "none"}, "negative: expected one of clip, shift, got 'none'"),
    ],
)
def test_an_option_that_is_rejected_is_named(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match="^" + expected + "$"):
        Registry().find("method", "dff").cls(**options)
