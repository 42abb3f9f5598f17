"""Linear models, of which every place's part of the score is known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIDE = 6


def additive(seed: int = 0, *, positive: bool = False) -> tuple[nn.Module, Tensor, Tensor]:
    """A linear model, one photograph, and what each place adds to its score where nothing stands for 0."""
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 1, SIDE, SIDE, generator=draw, dtype=torch.float64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 2, bias=False)).double()
    weight = torch.randn(2, SIDE**2, generator=draw, dtype=torch.float64)
    with torch.no_grad():
        net[1].weight.copy_(weight.abs() if positive else weight)
    return net, image, (net[1].weight[0].reshape(1, SIDE, SIDE) * image[:, 0]).detach()


class Constant(nn.Module):
    """The same logits whatever it is shown."""

    def forward(self, image: Tensor) -> Tensor:
        return (image.flatten(1).sum(1, keepdim=True) * 0 + image.new_tensor([2.0, 1.0])).to(image)
