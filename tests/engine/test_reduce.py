"""``reduce: principal``: the first principal component of weighed channels in place of their sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import xaikit
from helpers.nets import Net, Spec, distance, evidence, of_class
from xaikit.errors import ConfigError

RAW = {"rectify": "none", "normalize": "none", "resize": "none"}


def first_component(products: Tensor) -> Tensor:
    """(C, *S): the projection of every place on the first right singular vector; it agrees with the mean over channels."""
    rows = products.flatten(1).T.numpy()
    projection = rows @ np.linalg.svd(rows)[2][0]
    sign = 1 if (projection * rows.mean(1)).sum() >= 0 else -1
    return torch.from_numpy(sign * projection).reshape(products.shape[1:])


@pytest.fixture(scope="module")
def recorded() -> Any:
    net = Net(Spec()).double()
    x = torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return net, x, evidence(net, x, "features", of_class([1, 1]))


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_it_is_the_first_component_of_what_would_be_summed(recorded: Any, method: str) -> None:
    net, x, (activations, gradients) = recorded
    explanation = xaikit.explain(net, x, method, layers="features", target=1, finish=RAW, reduce="principal")[method]
    for row in range(2):
        a, g = activations[row], gradients[row]
        weights = g.mean((1, 2), keepdim=True) if method == "gradcam" else g
        assert distance(explanation.maps["features"][row], first_component(weights * a)) <= 1e-9


def test_a_method_that_sums_no_channels_says_so(recorded: Any) -> None:
    net, x, _ = recorded
    with pytest.raises(
        ConfigError, match="reduce: principal plays no part in eigencam, which sums no weighed channels"
    ):
        xaikit.explain(net, x, "eigencam", layers="features", target=1, reduce="principal")


def test_lafams_mean_is_a_sum_of_channels_that_weigh_alike(recorded: Any) -> None:
    net, x, (activations, _) = recorded
    summed = xaikit.explain(net, x, "lafam", layers="features", target=1, finish=RAW)["lafam"].maps["features"]
    assert distance(summed, activations.mean(1)) <= 1e-12
    explanation = xaikit.explain(net, x, "lafam", layers="features", target=1, finish=RAW, reduce="principal")["lafam"]
    for row, one in enumerate(activations):
        assert distance(explanation.maps["features"][row], first_component(one / len(one))) <= 1e-9
