"""Targets that are of certain places of the picture, and what moves the picture under them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.requests import batch, explain_all, request_for, target
from xaikit import ConfigError
from xaikit.evidence.taps import Tap
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.targets import is_spatial

LEFT = (0.0, 0.0, 1.0, 0.5)
WINDOWS = {"sess": {"use": "sess", "scales": 2}}
REFUSED = (
    r"^sess: expected a target that is of no certain place, got one that is \(a mask, a box or a unit of a map\): "
    "its windows show other parts of the picture there; take gradcam"
)


class Segmenter(nn.Module):
    """Logits of three classes for every pixel."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
            self.head = nn.Conv2d(4, 3, 1)
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


class Classifier(Segmenter):
    """The mean of them over the pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mean((2, 3))


class Detector(Segmenter):
    """One detection a sample."""

    def forward(self, x: Tensor) -> Any:
        scores = super().forward(x)[:, 1].flatten(1).mean(1, keepdim=True).sigmoid()
        corners = torch.tensor([[0, 0, 4, 4]], dtype=torch.float64)
        return [{"boxes": corners, "labels": torch.tensor([1]), "scores": one} for one in scores]


def picture() -> Tensor:
    return torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def pinned(use: str, output: Any, **options: Any) -> Any:
    return instantiate("target", Use(use, options), Registry()).pin(output, None)


PIXELS, TOKENS = torch.randn(2, 3, 4, 4), torch.randn(2, 5, 6)
BOXES = [{"boxes": torch.tensor([[0.0, 0.0, 4.0, 4.0]]), "labels": torch.tensor([1]), "scores": torch.tensor([0.5])}]


@pytest.mark.parametrize(
    ("use", "output", "options", "expected"),
    [
        ("region", PIXELS, {}, True),
        ("region", PIXELS, {"mask": LEFT, "of": 1}, True),
        ("region", PIXELS, {"mask": "all", "of": 1}, False),
        ("box", BOXES, {}, True),
        ("neuron", PIXELS, {"layer": "a", "unit": (1, 2, 3)}, True),
        ("neuron", TOKENS, {"layer": "a", "unit": (1, 2)}, True),
        ("neuron", PIXELS[:, :, 0, 0], {"layer": "a", "unit": 1}, False),
        ("neuron", PIXELS[:, :, 0, 0], {"layer": "a", "unit": (1,)}, False),
        ("channel", PIXELS, {"layer": "a", "channel": 1}, False),
        ("channel", TOKENS, {"layer": "a", "channel": 1, "axis": "last"}, False),
        ("top", PIXELS[:, :, 0, 0], {}, False),
    ],
)
def test_which_targets_are(use: str, output: Any, options: Any, expected: bool) -> None:
    target = pinned(use, output, **options)
    assert is_spatial(target) is expected
    assert is_spatial(target.rows(torch.tensor([0, 0]))) is expected


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (Segmenter, {"use": "region"}),
        (Segmenter, {"use": "region", "of": 1, "mask": list(LEFT)}),
        (Segmenter, {"use": "neuron", "layer": "head", "unit": [1, 2, 1]}),
        (Detector, {"use": "box"}),
    ],
)
def test_windows_do_not_serve_them(build: Any, wanted: Any) -> None:
    with pytest.raises(ConfigError, match=REFUSED):
        xaikit.explain(build(), picture(), WINDOWS, layers="features", target=wanted)


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (Segmenter, {"use": "region", "of": 1, "mask": "all"}),
        (Segmenter, {"use": "channel", "layer": "head", "channel": 1}),
        (Classifier, 1),
    ],
)
def test_windows_serve_all_others(build: Any, wanted: Any) -> None:
    explanation = xaikit.explain(build(), picture(), WINDOWS, layers="features", target=wanted)["sess"]
    assert explanation.maps["features"].flatten(1).any(1).all()


def test_one_that_is_does_not_take_another_with_it() -> None:
    """Both are classes of the same layer and so are asked together at first."""
    taps, failed = [Tap("features")], []
    requests = [
        request_for("sess", taps, target("region", of=1, mask=mask), label, scales=2)
        for label, mask in (("left", LEFT), ("all", "all"))
    ]
    given = batch(picture())
    explanations = explain_all(Segmenter(), given, requests, failed=lambda request, error: failed.append(request.label))
    assert (list(explanations), failed) == (["all"], ["left"])
    alone = explain_all(Segmenter(), given, requests[1:])
    assert torch.equal(explanations["all"].maps["features"], alone["all"].maps["features"])
