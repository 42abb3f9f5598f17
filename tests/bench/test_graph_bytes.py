"""What a graph keeps is what its backward reads."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from xaikit.bench.graph_bytes import counted_graphs


def test_activations_are_counted_once_and_weights_are_not() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2, bias=False)).double().requires_grad_(False)
    inputs = torch.rand(5, 4, dtype=torch.float64, requires_grad=True)
    with counted_graphs(net.parameters()) as kept:
        scores = net(inputs)
    # the output of tanh; a linear layer whose weight is frozen keeps the weight alone
    assert kept.count == 5 * 8 * 8
    (gradient,) = torch.autograd.grad(scores.sum(), inputs)
    torch.testing.assert_close(gradient, torch.autograd.functional.jacobian(lambda each: net(each).sum(), inputs))


def test_what_was_changed_in_place_is_refused_as_ever() -> None:
    inputs = torch.rand(3, requires_grad=True)
    with counted_graphs([]):
        squares = inputs.exp()
        scores = squares.sum()
        squares.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(scores, inputs)
