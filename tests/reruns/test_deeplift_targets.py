"""DeepLIFT's multipliers for targets that are linear in the output, however they say it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import xaikit
from helpers.deeplift_nets import Through, built, multipliers_at, pictures
from helpers.nets import distance
from xaikit.errors import ConfigError
from xaikit_targets.binary import Binary
from xaikit_targets.region import Region

EXACT = 1e-12


class One(Through):
    """One logit a sample, (N, 1)."""

    def __init__(self) -> None:
        super().__init__(functional.relu)
        self.head = nn.Linear(4, 1)


class Pixels(Through):
    """Logits of three classes for every pixel."""

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.step(self.mix(self.tap(x))).movedim(1, -1)).movedim(-1, 1)
        return output


def losses(net: nn.Module, x: Tensor, pinned: Any) -> Tensor:
    """What the scores lose where the tap returns zeros, (N,)."""
    with torch.no_grad():
        whole = pinned.scores(net(x))
        handle = net.get_submodule("tap").register_forward_hook(lambda module, args, output: torch.zeros_like(output))
        less = whole - pinned.scores(net(x))
        handle.remove()
    return less[:, 0]


def test_binary_is_the_logit_with_the_sign_of_its_class() -> None:
    net, x = built(One), pictures()
    net.head.bias.data -= net(x).mean()  # some samples of either class
    sign = torch.where(net(x)[:, :1].detach() >= 0, 1.0, -1.0).double()
    assert set(sign.flatten().tolist()) == {-1.0, 1.0}
    multipliers, explanation = multipliers_at(net, x, "tap", "binary")
    plain, _ = multipliers_at(net, x, "tap", "raw")
    assert multipliers.any()
    assert torch.equal(multipliers, plain * sign.reshape(-1, 1, 1, 1, 1))
    pinned = Binary().pin(net(x), None)
    assert (explanation.maps["tap"].flatten(1).sum(1) - losses(net, x, pinned)).abs().max() <= EXACT


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("mask", [(0.0, 0.0, 1.0, 0.5), "predicted", "all"])
def test_region_is_the_sum_over_its_pixels(mask: Any, reduce: Any) -> None:
    net, x = built(lambda: Pixels(functional.relu)), pictures()
    options: dict[str, Any] = {"mask": mask, "reduce": reduce}
    multipliers, explanation = multipliers_at(net, x, "tap", {"use": "region", **options})
    pinned = Region(**options).pin(net(x), None)
    share = pinned.mask.flatten(1).sum(1) if reduce == "mean" else torch.ones(len(x))

    def of_pixels(output: Tensor) -> Tensor:
        rows = zip(output, pinned.indices[:, 0], pinned.mask, strict=True)
        return torch.stack([one[index][chosen].sum() for one, index, chosen in rows]) / share

    expected, _ = multipliers_at(net, x, "tap", of_pixels)
    assert distance(multipliers, expected) <= EXACT
    assert (explanation.maps["tap"].flatten(1).sum(1) - losses(net, x, pinned)).abs().max() <= EXACT


@pytest.mark.parametrize(("build", "target"), [(One, "binary"), (Pixels, "region")])
def test_liftcam_serves_them(build: Any, target: Any) -> None:
    net, x = built(build if build is One else lambda: Pixels(functional.relu)), pictures()
    saliency = xaikit.explain(net, x, "liftcam", layers="tap", target=target)["liftcam"].maps["tap"]
    multipliers, _ = multipliers_at(net, x, "tap", target)
    activations = net.tap(x).detach()
    weights = (multipliers[:, 0] * activations).sum((2, 3), keepdim=True)
    assert distance(saliency, (weights * activations).sum(1)) <= EXACT


def test_a_region_of_infinite_logits_beside_it_is_finite() -> None:
    output = torch.zeros(1, 2, 2, 2)
    output[0, 1, :, 1] = -torch.inf
    pinned = Region(of=1, mask=(0.0, 0.0, 1.0, 0.5)).pin(output, None)
    assert pinned.scores(output).tolist() == [[0.0]]


def test_a_relu_that_is_written_with_a_mask_is_refused_since_the_sum_is_wrong() -> None:
    net = built(lambda: Through(lambda x: x.masked_fill(x < 0, 0)))
    with pytest.raises(ConfigError, match="the contributions do not sum to what the score loses"):
        multipliers_at(net, pictures(), "tap")
