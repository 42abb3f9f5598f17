"""Grad-CAM of each sample's own score in its batch, without xaikit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def own_maps(model: nn.Module, x: Tensor, layer: str, target: Callable[[Tensor], Tensor]) -> Tensor:
    """The raw maps (N, H, W) at a layer; the target gives a score a sample."""
    outputs: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda module, args, output: outputs.append(output))
    scores = target(model(x))
    handle.remove()
    (activations,) = outputs
    rows = []
    for row, score in enumerate(scores):
        (gradient,) = torch.autograd.grad(score, activations, retain_graph=True)
        rows.append((gradient[row].mean((1, 2), keepdim=True) * activations[row].detach()).sum(0))
    return torch.stack(rows)
