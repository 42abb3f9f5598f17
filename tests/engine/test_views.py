"""Views or frames of a sample that the model folds into the batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import images, seeded
from xaikit import TapError

VIEWS = 3
X = images(2, VIEWS, 2, 8, 6)


class Folding(nn.Module):
    """Every view through one backbone; the class by the mean over the views."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.head = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, 2), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = self.conv2(self.conv1(x.flatten(0, 1)).relu()).relu()
        return self.head(features.mean((2, 3)).unflatten(0, x.shape[:2]).mean(1))


class Tokens(Folding):
    """The same with tokens behind a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mix, self.head = nn.Conv2d(2, 4, 2, 2), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x.flatten(0, 1)).flatten(2).transpose(1, 2)
        tokens = self.mix(torch.cat([tokens.mean(1, keepdim=True), tokens], 1)).tanh()
        return self.head(tokens.mean(1).unflatten(0, x.shape[:2]).mean(1))


@pytest.mark.parametrize("layer", ["conv2/views", {"name": "conv2", "fold": "views"}])
def test_a_map_a_view_has_the_weights_of_all_views(layer: Any) -> None:
    model = seeded(Folding)
    features = model.conv2(model.conv1(X.flatten(0, 1)).relu()).detach().requires_grad_()
    scores = model.head(features.relu().mean((2, 3)).unflatten(0, (2, VIEWS)).mean(1))[:, 1]
    (gradient,) = torch.autograd.grad(scores.sum(), features)
    products = (gradient * features).sum(1).unflatten(0, (2, VIEWS)).detach()
    explanation = xaikit.explain(
        model, X, "hirescam", layers=layer, target=1, input_layout={"use": "axes", "order": "NTCHW"}
    )["hirescam"]
    torch.testing.assert_close(explanation.maps["conv2"], products)
    assert explanation.map.shape == (2, VIEWS, 8, 6)


METHODS = [
    "gradcam",
    "gradcampp",
    "layercam",
    "eigencam",
    "ablationcam",
    "reciprocam",
    "scorecam",
    "sess",
    "shapleycam",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("build", "layer", "side"), [(Folding, "conv2/views", (2, 1)), (Tokens, "mix/views", (4, 3))])
def test_views_are_served_by_methods(method: str, build: type[nn.Module], layer: str, side: Any) -> None:
    both = xaikit.explain(seeded(build), X, method, layers=layer, target=1)[method]
    assert both.map.shape == (2, VIEWS, 8, 6)
    assert both.maps[layer.removesuffix("/views")].shape == (2, VIEWS, *side)
    for row in range(2):
        alone = xaikit.explain(seeded(build), X[row : row + 1], method, layers=layer, target=1, ids=[str(row)])[method]
        torch.testing.assert_close(both.map[row], alone.map[0])


def test_rows_that_are_more_than_samples_say_what_to_do() -> None:
    with pytest.raises(TapError, match=r"expected a row a sample, got 3; .* name 'conv2/views'"):
        xaikit.explain(seeded(Folding), X, layers="conv2", target=1)
    with pytest.raises(xaikit.ConfigError, match="fold: expected views, got 'frames'"):
        xaikit.explain(seeded(Folding), X, layers={"name": "conv2", "fold": "frames"})
