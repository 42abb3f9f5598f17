"""Layouts, augmentation, reduction and several targets at once, on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.devices import agree, cnn, moved, pictures

METHODS = ["gradcam", "ablationcam"]


class LastChannels(nn.Module):
    """The small network of maps (N, H, W, C), as Swin has them; ``turned`` is one."""

    def __init__(self) -> None:
        super().__init__()
        net = cnn()
        self.stem, self.body, self.head = net.stem, net.body, net.head
        self.turned = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        turned = self.turned(self.body(self.stem(x)).permute(0, 2, 3, 1))
        return self.head(turned.mean((1, 2)))


def same(net: nn.Module, inputs: Tensor, layers: str, methods: Any = METHODS, **more: Any) -> None:
    expected = xaikit.explain(net, inputs, methods, layers=layers, **more)
    given = xaikit.explain(moved(net), moved(inputs), methods, layers=layers, **more)
    for label, explanation in given.items():
        assert all(agree(raw, expected[label].maps[layer]) for layer, raw in explanation.maps.items()), label
        assert explanation.warnings == expected[label].warnings


@pytest.mark.parametrize("layout", [None, "channels_last"])
def test_channels_last(layout: str | None) -> None:
    same(LastChannels().eval(), pictures(), "turned", layout=layout)


def test_inputs_of_another_order() -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = cnn()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x.permute(0, 3, 1, 2))

    same(Turned(), pictures().permute(0, 2, 3, 1).contiguous(), "net.body", ["gradcam", "scorecam"])


AUGMENT = {"flip": True, "scale": [1.0, 1.5], "gain": [1.0, 0.9], "noise": 0.1, "draws": 2}


@pytest.mark.parametrize(
    "augment", [{key: AUGMENT[key]} for key in ("flip", "scale", "gain")] + [{"noise": 0.1, "draws": 2}], ids=str
)
def test_augmentation(augment: dict[str, Any]) -> None:
    same(cnn(), pictures(), "body", ["gradcam", "layercam"], augment=augment)


def test_the_principal_component_in_place_of_a_sum() -> None:
    same(cnn(), pictures(), "body", ["gradcam", "xgradcam"], reduce="principal")


def test_several_targets_and_layers_by_themselves() -> None:
    same(cnn(), pictures(), "auto", ["gradcam", "scorecam", "reciprocam"], target=[{"use": "top", "k": 3}][0])


def test_a_batch_that_is_normalized_as_one() -> None:
    net = cnn()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = module.running_var = None
    same(net, pictures(), "body", ["gradcam"])


@pytest.mark.parametrize(
    "act", [lambda x: x.masked_fill_(x < 0, 0), lambda x: x.clamp_(0)], ids=["masked_fill_", "clamp_"]
)
def test_operations_in_place(act: Callable[[Tensor], Tensor]) -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3, bias=False), nn.Linear(4, 5, bias=False)
            with torch.no_grad():
                for value in self.parameters():
                    value.copy_(torch.linspace(0, 9, value.numel()).sin().view(value.shape))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(act(self.conv(x)).mean((2, 3)))

    same(InPlace().eval(), pictures(), "conv")
