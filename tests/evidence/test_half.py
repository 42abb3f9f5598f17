"""Half precision: evidence is raised before anything is summed, so that bright layers do not overflow and small gradients
do not vanish."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.nets import distance

METHODS = [
    *("gradcam", "gradcampp", "smoothgradcampp", "xgradcam", "layercam", "hirescam", "elementcam", "eigengradcam"),
    *("segeigencam", "shapleycam", "featureig", "liftcam", "ablationcam", "lafam", "cam"),
]
RAW = {"rectify": "none", "normalize": "none", "resize": "none"}


class Bright(nn.Module):
    """Activations of about 6 at 112 x 112 places: their sum is beyond float16, and gradients are about 1e-5."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Linear(8, 5)
        nn.init.constant_(self.conv.bias, 6.0)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.act(self.conv(x)).flatten(2).mean(2)
        logits: Tensor = self.head(pooled)
        return logits


def maps(dtype: torch.dtype) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Bright().eval().to(dtype)
    x = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    methods = {name: {"use": name, "std": 0.01} if name == "smoothgradcampp" else name for name in METHODS}
    explanations = xaikit.explain(net, x, methods, layers="act", target=1, finish=RAW)
    assert not any(
        remark for one in explanations.values() for remark in one.warnings if "negative activations" in remark.reason
    )
    return {name: one.maps["act"].double() for name, one in explanations.items()}


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return maps(torch.float64)


@pytest.mark.parametrize(("dtype", "share"), [(torch.float16, 0.03), (torch.bfloat16, 0.1), (torch.float32, 1e-3)])
def test_maps_are_those_of_double_precision_but_for_rounding(
    dtype: torch.dtype, share: float, expected: dict[str, Tensor]
) -> None:
    far = {name: distance(saliency, expected[name]) for name, saliency in maps(dtype).items()}
    assert {name: one for name, one in far.items() if not one <= share} == {}
