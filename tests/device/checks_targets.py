"""Every target on the device, and how often it waits for the host."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

import xaikit
from helpers.devices import agree, cnn, moved, pictures, waits
from xaikit.registry import Registry
from xaikit_targets.binary import Binary

LABELS = torch.tensor([2, 0, 4])
TARGETS: dict[str, list[dict[str, Any]]] = {
    "top": [{}, {"k": 3}],
    "logit": [{"index": 2}],
    "classes": [{"of": [0, 3]}],
    "label": [{}],
    "softmax": [{}, {"of": 1}],
    "rest": [{"of": 1}],
    "margin": [{}],
    "contrast": [{}, {"weights": "differentiated"}, {"against": [1, 2]}],
    "similarity": [{"to": [0.1, 0.2, -0.3, 0.4, 0.5]}],
    "neuron": [{"layer": "body", "unit": [1, 2, 3]}],
    "channel": [{"layer": "body", "channel": 2}],
}
CASES = [(name, options) for name, examples in TARGETS.items() for options in examples]
ELSEWHERE = {"binary", "raw", "region", "box", "callable"}
"""Of other outputs than rows of logits, below."""


class Detector(nn.Module):
    """Two boxes a picture, of labels 1 and 2, from a pooled map."""

    def __init__(self) -> None:
        super().__init__()
        self.net = cnn()

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        rows = self.net(x).sigmoid().unbind()
        labels = torch.tensor([1, 2], device=x.device)
        return [{"boxes": _boxes(row), "labels": labels, "scores": row[3:5]} for row in rows]


def _boxes(row: Tensor) -> Tensor:
    corner = row[:2] * 8
    return torch.stack([torch.cat([corner, corner + 8]), torch.cat([corner + row[2], corner + 12])])


class Segmenter(nn.Module):
    """Logits (N, 3, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        net = cnn()
        self.body, self.head = nn.Sequential(net.stem, net.body), nn.Conv2d(8, 3, 1)
        with torch.no_grad():
            self.head.weight.copy_(torch.linspace(-1, 1, 24).sin().view(3, 8, 1, 1))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(self.head(self.body(x)), size=(16, 16), mode="nearest")


class OneLogit(nn.Module):
    """A logit (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = cnn()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[:, :1]


def best(output: Tensor) -> Tensor:
    return output.amax(1)


def same(target: Any, net: nn.Module, layer: str, method: str = "gradcam", labels: Tensor | None = None) -> list[str]:
    """That the map is that of the CPU; what the host waited for in the second batch."""
    expected = xaikit.explain(net, pictures(), method, layers=layer, target=target, labels=labels)[method]
    model, inputs = moved(net), moved(pictures())
    xaikit.explain(model, inputs, method, layers=layer, target=target, labels=labels)
    with waits() as names:
        explanation = xaikit.explain(model, inputs, method, layers=layer, target=target, labels=labels)[method]
    assert agree(explanation.map, expected.map)
    assert agree(explanation.scores, expected.scores)
    assert str(explanation.target) == str(expected.target)
    return names


def test_every_target_is_checked() -> None:
    assert TARGETS.keys() | ELSEWHERE == set(Registry().names("target"))


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}-{options}" for name, options in CASES])
def test_a_target_of_logits(name: str, options: dict[str, Any]) -> None:
    layer = "stem" if name in ("neuron", "channel") else "body"
    assert len(same({"use": name, **options}, cnn(), layer, labels=LABELS)) <= 1


@pytest.mark.parametrize("options", [*Binary.examples, {}], ids=str)
def test_one_logit(options: dict[str, Any]) -> None:
    assert not same({"use": "binary", **options}, OneLogit(), "net.body")


def test_a_raw_output_and_a_function() -> None:
    assert not same("raw", OneLogit(), "net.body")
    assert not same(best, cnn(), "body")


@pytest.mark.parametrize("options", [{}, {"of": 1, "mask": [0.0, 0.0, 0.5, 0.5]}, {"of": 1, "mask": "all"}], ids=str)
@pytest.mark.parametrize("method", ["gradcam", "ablationcam"])
def test_a_region_of_a_segmenter(options: dict[str, Any], method: str) -> None:
    assert len(same({"use": "region", **options}, Segmenter(), "body", method)) <= 3


@pytest.mark.parametrize(
    "options", [{}, {"of": 1}, {"of": 2, "box": [0.0, 0.0, 9.0, 9.0]}, {"rank": [1, 2]}, {"above": 0.0}], ids=str
)
@pytest.mark.parametrize("method", ["gradcam", "ablationcam"])
def test_a_box_of_a_detector(options: dict[str, Any], method: str) -> None:
    assert len(same({"use": "box", **options}, Detector(), "net.body", method)) <= 3
