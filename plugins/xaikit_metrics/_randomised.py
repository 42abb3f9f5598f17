"""A model whose weights are drawn anew, layer by layer from the top."""

from __future__ import annotations

import torch
from torch import nn


def stages_of(model: nn.Module, count: int) -> list[list[nn.Module]]:
    """The layers that have weights of their own, those that are defined last first, in ``count`` groups of equal size; as
    many as there are layers where these are fewer."""
    layers = [module for module in model.modules() if any(True for _ in module.parameters(recurse=False))][::-1]
    count = min(count, len(layers))
    ends = [round(len(layers) * stage / count) for stage in range(1, count + 1)]
    return [layers[start:end] for start, end in zip([0, *ends][:-1], ends, strict=True)]


def randomise(layers: list[nn.Module], draw: torch.Generator) -> None:
    """Draw the weights of some layers anew, each normal with the mean and deviation that it has, so that what passes through
    keeps its scale. What a batch normalisation has counted is no weight, and stays."""
    with torch.no_grad():
        for layer in layers:
            for weight in layer.parameters(recurse=False):
                if weight.is_floating_point():
                    values = weight.double()
                    normal = torch.randn(weight.shape, generator=draw, dtype=torch.float64).to(values)
                    weight.copy_(values.mean() + values.std(correction=0) * normal)
