"""The leading eigenvector equals that of a full decomposition, also where there is hardly a gap."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from xaikit import _numeric
from xaikit._numeric import SMALL, leading_eigenvector


def spectrum(values: Tensor, seed: int = 0) -> Tensor:
    """A symmetric matrix with these eigenvalues."""
    noise = torch.randn(len(values), len(values), generator=torch.Generator().manual_seed(seed), dtype=values.dtype)
    axes, _ = torch.linalg.qr(noise)
    return (axes * values) @ axes.mT


def decaying(size: int, ratio: float, dtype: torch.dtype) -> Tensor:
    return ratio ** torch.arange(size, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("size", "ratio"), [(SMALL, 0.9), (SMALL + 1, 0.5), (300, 0.9), (300, 0.999)])
def test_it_is_the_eigenvector_of_the_largest_eigenvalue(size: int, ratio: float, dtype: torch.dtype) -> None:
    matrices = torch.stack([spectrum(decaying(size, ratio, dtype), seed) for seed in range(3)])
    value, vector = leading_eigenvector(matrices)
    assert value.shape == (3, 1, 1)
    assert vector.shape == (3, size, 1)
    rounding = 100 * torch.finfo(dtype).eps
    assert (value - 1).abs().max() < rounding
    expected = torch.linalg.eigh(matrices)[1][..., -1:]
    # an eigenvector is known to the rounding error over the gap
    assert ((vector * expected).sum(1).abs() - 1).abs().max() < rounding / (1 - ratio)


def test_what_does_not_converge_is_decomposed_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    decomposed: list[int] = []
    plain = _numeric._decomposed
    monkeypatch.setattr(_numeric, "_decomposed", lambda matrices: decomposed.append(len(matrices)) or plain(matrices))
    easy, hard = spectrum(decaying(200, 0.5, torch.float64)), spectrum(decaying(200, 0.9999, torch.float64))
    together = leading_eigenvector(torch.stack([easy, hard]))[1]
    assert decomposed == [1]
    for alone, vector in zip((easy, hard), together, strict=True):
        assert (leading_eigenvector(alone[None])[1][0] - vector).abs().max() < 1e-9


def test_nothing_is_the_eigenvector_of_zero() -> None:
    value, vector = leading_eigenvector(torch.zeros(2, 100, 100))
    assert not value.any()
    assert vector.isfinite().all()
