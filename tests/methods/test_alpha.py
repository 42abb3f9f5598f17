"""What Grad-CAM++ and its kin make of denominators near zero: weights without a jump."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import xaikit
from helpers.views import made_view
from xaikit import Needs
from xaikit_cams._alpha import FLOOR, channel_weights


def weight(denominator: float) -> float:
    value = torch.full((1, 1, 1, 1, 1), denominator, dtype=torch.float64)
    view = made_view(torch.ones(1, 1, 1, 1, dtype=torch.float64), needs=Needs(gradients=1))
    return float(channel_weights(torch.ones_like(value), value, view))


def test_weights_are_the_papers_above_the_floor_and_fade_to_0_below_it() -> None:
    assert weight(2.0) == 0.5
    assert weight(FLOOR) == 1 / FLOOR
    assert abs(weight(FLOOR - 1e-9) - 1 / FLOOR) <= 1e-5
    assert abs(weight(FLOOR / 2) - 0.5 / FLOOR) <= 1e-12
    assert weight(0.0) == weight(-3.0) == 0.0


class Signed(nn.Module):
    """A layer of either sign, below which gradients are small: sums of activations make denominators of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.tap, self.tail, self.head = nn.Conv2d(3, 24, 3), nn.Conv2d(24, 8, 3), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.tail(self.tap(x)).tanh().mean((2, 3)))
        return 20 * logits


def test_at_signed_layers_a_batch_has_the_maps_of_its_samples_and_float32_those_of_float64() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Signed().eval()
    x = torch.randn(6, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    ids = [str(row) for row in range(6)]

    def maps(x: Tensor, ids: list[str]) -> Tensor:
        methods = {"m": {"use": "smoothgradcampp", "n": 3}}
        return xaikit.explain(net.to(x.dtype), x, methods, layers="tap", target=1, ids=ids)["m"].maps["tap"]

    together = maps(x, ids)
    alone = torch.cat([maps(x[row : row + 1], ids[row : row + 1]) for row in range(6)])
    scale = together.abs().amax((1, 2), keepdim=True)
    assert ((together - alone).abs() / scale).max() <= 1e-4
    assert ((together - maps(x.double(), ids)).abs() / scale).max() <= 1e-3
