"""Hessian products where a function behind the layer can be differentiated once only: refused, never zero."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

import xaikit
from helpers.deeplift_nets import Step, Through, built, pictures
from helpers.nets import distance
from xaikit import ConfigError

REFUSED = (
    r"^expected functions between layer and score that can be differentiated twice, for a Hessian product \(hvp\), got one "
    "that cannot (.*); take a method without, such as gradcam"
)


class Once(torch.autograd.Function):
    """SiLU, as memory-saving versions have it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = x.sigmoid()
        return gradient * gate * (1 + x * (1 - gate))


class Detached(Once):
    """The same by a backward that leaves no graph, and does not say so."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = x.sigmoid()
        with torch.no_grad():
            return gradient * gate * (1 + x * (1 - gate))


class Twice(Once):
    """The same by a backward that can be differentiated."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = x.sigmoid()
        return gradient * gate * (1 + x * (1 - gate))


def shapleycam(net: nn.Module, target: Any = 1) -> Tensor:
    return xaikit.explain(net, pictures(), "shapleycam", layers="tap", target=target)["shapleycam"].maps["tap"]


SEVERED: dict[str, Step] = {
    "once differentiable": Once.apply,
    "backward without grad": Detached.apply,
    "beside a linear branch": lambda x: x + Once.apply(x),
    "beside a bent branch": lambda x: x * x + Once.apply(x),
    "behind a bent one": lambda x: Once.apply(x * x),
    "before a bent one": lambda x: Once.apply(x) ** 2,
    "torch's own": functional.hardsigmoid,
}


@pytest.mark.parametrize("step", SEVERED)
@pytest.mark.parametrize("frozen", [False, True])
def test_what_can_be_differentiated_once_only_is_refused(step: str, frozen: bool) -> None:
    net = built(lambda: Through(SEVERED[step])).requires_grad_(not frozen)
    with pytest.raises(ConfigError, match=REFUSED):
        shapleycam(net)
    assert xaikit.explain(net, pictures(), "gradcam", layers="tap", target=1)["gradcam"].maps["tap"].any()


def test_a_backward_of_its_own_that_can_be_differentiated_twice_is_served() -> None:
    written, torchs = (shapleycam(built(lambda step=step: Through(step))) for step in (Twice.apply, functional.silu))
    assert distance(written, torchs) <= 1e-12
    flat = xaikit.explain(built(lambda: Through(functional.silu)), pictures(), "gradcam", layers="tap", target=1)
    assert distance(torchs, flat["gradcam"].maps["tap"]) > 1e-3


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("step", [lambda x: x, functional.relu, lambda x: 2 * x.flip(1) - 1], ids=["-", "relu", "flip"])
def test_a_tail_that_is_linear_in_pieces_has_no_curvature(step: Step, frozen: bool) -> None:
    net = built(lambda: Through(step)).requires_grad_(not frozen)
    gradcam = xaikit.explain(net, pictures(), "gradcam", layers="tap", target=1)["gradcam"].maps["tap"]
    assert torch.equal(shapleycam(net), gradcam)
    assert gradcam.any()


def test_what_lies_before_or_beside_the_layer_may_be_differentiated_once() -> None:
    class Around(Through):
        def forward(self, x: Tensor) -> Tensor:
            x = Once.apply(x)
            aside = Once.apply(x).mean((1, 2, 3))
            scores: Tensor = super().forward(x) + aside.unsqueeze(1)
            return scores

    class Apart(Through):
        def forward(self, x: Tensor) -> Tensor:
            x = functional.silu(x)
            scores: Tensor = super().forward(x) + functional.silu(x).mean((1, 2, 3)).unsqueeze(1)
            return scores

    saliency, expected = (shapleycam(built(lambda kind=kind: kind(functional.silu))) for kind in (Around, Apart))
    assert saliency.any()
    assert distance(saliency, expected) <= 1e-12
