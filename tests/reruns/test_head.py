"""The classifier that CAM reads, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.nets import distance
from xaikit.errors import ConfigError


class Head(nn.Module):
    """A map, something between, and a linear layer or convolution of one pixel."""

    def __init__(self, between: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.conv, self.between, self.head = nn.Conv2d(3, 4, 3), between, head

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.between(self.conv(x).mean((2, 3)))
        if isinstance(self.head, nn.Conv2d):
            return self.head(pooled[..., None, None]).flatten(1)  # type: ignore[no-any-return]
        return self.head(pooled)  # type: ignore[no-any-return]


def built(between: Any = nn.Identity, head: Any = lambda: nn.Linear(4, 5)) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Head(between(), head()).double().eval()


X = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def cam(model: nn.Module, target: Any = (1, 3)) -> Tensor:
    target = list(target) if isinstance(target, tuple) else target
    return xaikit.explain(model, X, "cam", layers="conv", target=target)["cam"].maps["conv"]


@pytest.mark.parametrize(
    "head",
    [lambda: nn.Linear(4, 5), lambda: nn.Linear(4, 5, bias=False), lambda: nn.Conv2d(4, 5, 1)],
    ids=["a", "b", "c"],
)
def test_rows_of_a_linear_layer_or_of_a_convolution_of_one_pixel(head: Any) -> None:
    model = built(head=head)
    weight = model.get_submodule("head").weight.detach().flatten(1)
    expected = torch.einsum("nk,nkij->nij", weight[[1, 3]], model.get_submodule("conv")(X).detach())
    assert distance(cam(model), expected) <= 1e-12


def test_several_classes_have_a_map_each() -> None:
    model = built()
    both = cam(model, {"use": "classes", "of": [1, 3]})
    assert torch.equal(both[0, 0], cam(model)[0])
    assert torch.equal(both[1, 1], cam(model)[1])


@pytest.mark.parametrize("between", [nn.Tanh, lambda: nn.LayerNorm(4), lambda: nn.Linear(4, 4)])
def test_what_is_more_than_pooling_is_refused(between: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"layer conv: CAM expected average pooling .* got something more between them"
    ):
        cam(built(between))


def test_a_layer_of_other_channels_is_refused() -> None:
    with pytest.raises(ConfigError, match="got no linear layer from 4 channels to 5 outputs"):
        cam(built(lambda: nn.Linear(4, 7), lambda: nn.Linear(7, 5)))


@pytest.mark.parametrize(
    ("target", "shares"),
    [
        (lambda output: output.sum(1), [[1, 1, 1, 1, 1]] * 2),
        (lambda output: output[:, 1] - 2 * output[:, 3], [[0, 1, 0, -2, 0]] * 2),
        ({"use": "contrast", "of": 2, "against": [0], "alpha": 0.5}, [[-0.5, 0, 1, 0, 0]] * 2),
        (lambda output: 0 * output[:, 1], [[0, 0, 0, 0, 0]] * 2),
    ],
)
def test_a_sum_of_logits_has_the_sum_of_their_rows(target: Any, shares: Any) -> None:
    model = built()
    weight = torch.tensor(shares, dtype=torch.float64) @ model.get_submodule("head").weight.detach()
    expected = torch.einsum("nk,nkij->nij", weight, model.get_submodule("conv")(X).detach())
    rows = cam(model, target)
    assert distance(rows, expected) <= 1e-12 if expected.any() else not rows.any()


@pytest.mark.parametrize("use", ["softmax", "rest"])
def test_a_score_that_is_no_sum_of_logits_is_refused(use: str) -> None:
    with pytest.raises(ConfigError, match="CAM expected a score that is a sum of logits"):
        cam(built(), {"use": use, "of": 1})


@pytest.mark.parametrize("use", ["contrast", "margin"])
def test_other_targets_of_classes_are_grad_cam_times_the_places(use: str) -> None:
    model = built()
    expected = xaikit.explain(model, X, layers="conv", target={"use": use, "of": 1})["gradcam"].maps["conv"] * 16
    assert distance(cam(model, {"use": use, "of": 1}), expected) <= 1e-12
