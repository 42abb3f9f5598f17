"""Sums over channels that cancel by theorem are 0 with a reason, and no rounding stretched to a picture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xaikit

REASON = "the sum over the channels cancels: what is left is rounding, and set to 0"


class Normalized(nn.Module):
    """A normalization over the channels is all that reads ``tap``."""

    def __init__(self) -> None:
        super().__init__()
        self.tap, self.norm, self.head = nn.Conv2d(3, 16, 3), nn.LayerNorm(16, eps=0), nn.Linear(16, 5)
        self.inner = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        normalized = self.norm(self.tap(x).movedim(1, -1))
        logits: Tensor = self.head(self.inner(normalized).tanh().mean((1, 2)))
        return logits


@pytest.fixture
def net() -> Normalized:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Normalized().eval()


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 9, 9, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["hirescam", {"use": "featureig", "steps": 2}])
def test_below_a_normalization_the_sum_of_products_is_0_and_said_to_be(
    net: Normalized, method: object, dtype: torch.dtype
) -> None:
    explanation = xaikit.explain(net.to(dtype), images().to(dtype), {"m": method}, layers="tap", target=1)["m"]
    assert not explanation.maps["tap"].any()
    assert {remark.sample for remark in explanation.warnings if remark.reason == REASON} == {0, 1}


@pytest.mark.parametrize("method", ["hirescam", "gradcam", "layercam"])
def test_a_sum_that_does_not_cancel_is_left_alone(net: Normalized, method: str) -> None:
    layer, layout = ("tap", None) if method == "layercam" else ("norm", "channels_last")
    explanation = xaikit.explain(net, images(), method, layers=layer, layout=layout, target=1)[method]
    assert explanation.maps[layer].flatten(1).any(1).all()
    assert REASON not in [remark.reason for remark in explanation.warnings]


def test_nan_stays_visible(net: Normalized) -> None:
    x = images()
    x[1, 0, 4, 4] = torch.nan
    saliency = xaikit.explain(net, x, "hirescam", layers="tap", target=1)["hirescam"].maps["tap"]
    assert not saliency[0].any()
    assert saliency[1].isnan().any()
