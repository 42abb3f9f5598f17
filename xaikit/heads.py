"""The linear classifier that CAM reads: found by what it does, not by its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.errors import ConfigError
from xaikit.layers import Tap
from xaikit.targets import PinnedClasses, PinnedTogether, itself

CLOSE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How near the classifier of the pooled map has to come to the output, in units of the largest logit."""


def head_of(model: nn.Module, tap: Tap, activations: Tensor, output: Any, pinned: Any) -> Tensor:
    """The classifier's rows for the explained classes, (N, T, C).

    Args:
        activations: at the tap, (N, C, *S).
        output: of the model for the same samples, (N, classes).

    Raises:
        ConfigError: the output is not the linear classifier of the average-pooled map, or the target is no class.
    """
    indices = _classes(pinned)
    pooled = activations.flatten(2).mean(2)
    classes = output.shape[1] if isinstance(output, Tensor) and output.dim() == 2 else 0
    found = list(_linear(model, pooled.shape[1], classes))
    for weight, bias in found:
        expected = pooled @ weight.mT if bias is None else pooled @ weight.mT + bias
        tolerance = CLOSE.get(output.dtype, 3e-2) * output.abs().amax()
        if bool((expected - output).abs().amax() <= tolerance):
            return weight[indices]
    raise ConfigError(
        f"layer {tap}: CAM expected average pooling of this layer and one linear classifier behind it, got "
        f"{'something more between them' if found else f'no linear layer from {pooled.shape[1]} channels to {classes} outputs'}"
        "; take the layer that is pooled, or gradcam, which equals CAM there and works elsewhere"
    )


def _linear(model: nn.Module, channels: int, classes: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Weight (classes, C) and bias of every linear layer, or convolution of one pixel, of that size; the last first."""
    for module in reversed(list(model.modules())):
        weight = getattr(module, "weight", None)
        if not isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) or not isinstance(weight, Tensor):
            continue
        if weight.shape[:2] == (classes, channels) and weight.numel() == classes * channels:
            yield weight.detach().flatten(1), None if module.bias is None else module.bias.detach()


def _classes(pinned: Any) -> Tensor:
    pinned = itself(pinned)
    if isinstance(pinned, PinnedTogether):
        return torch.cat([_classes(part) for part in pinned.parts], 1)
    if isinstance(pinned, PinnedClasses):
        return pinned.indices
    raise ConfigError(f"target {pinned}: CAM explains classes, got something else; take top, logit, classes or label")
