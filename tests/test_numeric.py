"""Gradients are those of the formula also where torch's are not; the leading eigenvector equals that of a full decomposition,
also where there is hardly a gap."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xaikit
from xaikit import _numeric
from xaikit._numeric import SMALL, differentiate, leading_eigenvector


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


class Tokens(nn.Module):
    """Batch normalization of maps that become tokens: what comes back lies as tokens do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.stem(x)).flatten(2).transpose(1, 2)
        out: Tensor = self.head(self.block(tokens)[:, 0])
        return out


class Merged(nn.Module):
    """Batch normalization of tokens that become maps: what goes in lies as tokens do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.mix = nn.Linear(8, 8)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 36, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.mix(self.stem(x).flatten(2).transpose(1, 2))
        maps = self.norm(tokens.transpose(1, 2).reshape(len(x), 8, 6, 6))
        out: Tensor = self.head(maps.flatten(1))
        return out


def built(net: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return net().double().eval()


def normalized(x: Tensor) -> Tensor:
    """Instance normalization by its definition."""
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


def test_gradients_behind_an_instance_normalization_are_those_of_its_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, 5, 5, dtype=torch.float64, generator=generator).requires_grad_()
    weights = torch.randn(1, 25, 3, dtype=torch.float64, generator=generator)
    scores = [(norm(x).flatten(2).transpose(1, 2) * weights).sum() for norm in (normalized, nn.InstanceNorm2d(3))]
    expected, gradient = (differentiate(score, x)[0] for score in scores)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "gradient", "libragrad", "integratedgradients"])
@pytest.mark.parametrize("kind", [Tokens, Merged])
def test_a_photograph_alone_has_the_map_that_it_has_beside_others(method: str, kind: type[nn.Module]) -> None:
    net = built(kind)
    inputs = torch.randn(2, 3, 13, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layers = "stem" if method.endswith("cam") else "input"
    together, alone = (
        xaikit.explain(net, some, method, layers=layers, target=1)[method].maps[layers] for some in (inputs, inputs[:1])
    )
    torch.testing.assert_close(alone, together[:1])


def test_a_graph_that_is_kept_for_others_is_right_for_them() -> None:
    """A loss on the gradient of one sample, differentiated by its user."""
    generator = torch.Generator().manual_seed(0)
    norm = nn.BatchNorm2d(3).double().eval()
    weights = torch.randn(1, 25, 3, dtype=torch.float64, generator=generator)

    def loss(x: Tensor) -> Tensor:
        score = (norm(x.square()).flatten(2).transpose(1, 2).square() * weights).sum()
        total: Tensor = differentiate(score, x, create_graph=True)[0].square().sum()
        return total

    x = torch.randn(1, 3, 5, 5, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(loss, x.requires_grad_())
