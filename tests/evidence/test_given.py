"""The model's input as a layer: ``layers: input``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from xaikit import LayerNotFound, TapError
from xaikit.engine import Batch, Request, explain
from xaikit.evidence.taps import GIVEN, Tap, resolve
from xaikit.passes.tally import Tally
from xaikit.registry import Registry

RAW = {"rectify": "none", "normalize": "none", "resize": "none", "fuse": "none"}


def net() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)]
        return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Softplus(), nn.Conv2d(4, 4, 3), nn.ReLU(), *head).double().eval()


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 2, 9, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def gradient(model: nn.Module, x: Tensor, index: int = 1) -> Tensor:
    leaf = x.clone().requires_grad_()
    (taken,) = torch.autograd.grad(model(leaf)[:, index].sum(), leaf)
    return taken


def maps(model: nn.Module, inputs: Any, methods: Any, layers: Any = "input") -> dict[str, Tensor]:
    explained = xaikit.explain(model, inputs, methods, layers=layers, target=1, finish=RAW)
    return {label: explanation.maps["input"] for label, explanation in explained.items()}


def test_methods_of_layers_are_what_they_are_at_the_input() -> None:
    model, x = net(), images()
    taken = gradient(model, x)
    made = maps(model, x, ["hirescam", "gradcam", "layercam"])
    assert torch.allclose(made["hirescam"], (taken * x).sum(1), atol=1e-12)
    assert torch.allclose(made["gradcam"], (taken.mean((2, 3), keepdim=True) * x).sum(1), atol=1e-12)
    assert torch.allclose(made["layercam"], (taken.clamp(min=0) * x).sum(1), atol=1e-12)


def test_the_input_and_layers_share_one_pass() -> None:
    registry, tally = Registry(), Tally()
    target = registry.find("target", "logit").cls(1)
    taps = {"hirescam": (GIVEN, Tap("1"), Tap("3")), "inputxgradient": (GIVEN,), "gradcam": (Tap("3"),)}
    requests = [
        Request(name, name, registry.find("method", name).cls(), places, target, None) for name, places in taps.items()
    ]
    model, x = net(), images()
    _, explained = explain(model, Batch(x, ("a", "b")), requests, tally=tally)
    assert (tally.forwards, tally.gradient_calls, tally.reruns) == (1, 1, 0)
    assert torch.equal(explained["inputxgradient"].maps["input"], explained["hirescam"].maps["input"])
    alone = xaikit.explain(model, x, "gradcam", layers="3", target=1)["gradcam"]
    assert torch.allclose(explained["gradcam"].maps["3"], alone.maps["3"], atol=1e-12)


class Named(nn.Module):
    """Two inputs by name, the picture the second; the first convolution runs without grad."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, *, scale: Tensor, pixels: Tensor) -> Tensor:
        with torch.no_grad():
            shifted = pixels + 0
        output: Tensor = self.net(shifted) * scale
        return output


def test_inputs_by_name_and_a_forward_that_switches_grad_off() -> None:
    model, x = Named(), images()
    scale = torch.tensor([[2.0], [3.0]], dtype=torch.float64)
    with pytest.raises(xaikit.Disconnected, match="does not depend on layer input"):
        maps(model, {"scale": scale, "pixels": x}, "hirescam")
    model.forward = lambda scale, pixels: model.net(pixels) * scale  # type: ignore[method-assign]
    made = maps(model, {"scale": scale, "pixels": x}, "hirescam")["hirescam"]
    assert torch.allclose(made, scale.unsqueeze(2) * (gradient(model.net, x) * x).sum(1), atol=1e-12)


def test_further_passes_at_the_input() -> None:
    """Ablation-CAM there: a channel's weight is what the score loses without that channel of the photograph."""
    model, x = net(), images()
    made = maps(model, x, ["ablationcam", "featureig", "reciprocam"])
    with torch.no_grad():
        without = [x.clone().index_fill_(1, torch.tensor([channel]), 0) for channel in (0, 1)]
        lost = torch.stack([model(x)[:, 1] - model(each)[:, 1] for each in without], 1)
        gained = model(x)[:, 1] - model(torch.zeros_like(x))[:, 1]
    assert torch.allclose(made["ablationcam"], (lost[..., None, None] * x).sum(1), atol=1e-12)
    assert torch.allclose(made["featureig"].flatten(1).sum(1), gained, rtol=1e-2)


def test_second_derivatives_at_the_input() -> None:
    model, x = net(), images(1)
    made = maps(model, x, "shapleycam")["shapleycam"]
    assert made.isfinite().all()
    assert float(made.abs().max()) > 0


def test_a_module_of_that_name_goes_first() -> None:
    model = nn.Sequential()
    model.add_module("input", nn.Conv2d(2, 4, 3))
    assert resolve(model, "input") == (Tap("input"),)
    assert resolve(net(), ["input", "1"]) == (GIVEN, Tap("1"))
    with pytest.raises(LayerNotFound, match="no layer 'inputs'"):
        resolve(net(), "inputs")


def test_no_glob_means_the_input() -> None:
    assert GIVEN not in resolve(net(), "*")


def test_whole_numbers_have_no_gradient() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(24, 3))
    with pytest.raises(TapError, match="layer input: expected floating-point numbers to differentiate"):
        xaikit.explain(model, torch.randint(5, (1, 6)), "hirescam", layers="input", target=1)


def test_the_model_and_what_it_is_given_are_left_alone() -> None:
    model, x = net(), images().requires_grad_()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    maps(model, x, ["inputxgradient", "integratedgradients"])
    assert x.grad is None
    assert not model._forward_pre_hooks
    assert not model._forward_pre_hooks_with_kwargs
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
