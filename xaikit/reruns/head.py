"""The linear classifier that CAM reads: found by what it does, not by its name."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from xaikit._numeric import on_host
from xaikit.errors import ConfigError
from xaikit.evidence.pinned import without_layer
from xaikit.passes.backprop import gradients_at
from xaikit.reruns.context import PassContext
from xaikit.targets import Pinned

CLOSE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How near the classifier of the pooled map has to come to the output, in units of the largest logit."""


def head_of(context: PassContext) -> Tensor:
    """The classifier's rows for the explained scores, (N, T, C): of a difference of logits, the difference of theirs.

    Raises:
        ConfigError: the output is not the linear classifier of the average-pooled map, or the score is not linear in it.
    """
    weight = classifier_of(context)  # refuses what are no logits
    return shares_of(context.pinned, context.trace.output) @ weight


def classifier_of(context: PassContext) -> Tensor:
    """The weight of the classifier, (classes, C). Raises ConfigError as :func:`head_of` does."""
    output = context.trace.output
    if not isinstance(output, Tensor) or output.dim() != 2:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ConfigError(f"CAM: expected logits (N, classes) to read the classifier of, got {got}; take gradcam")
    scores = without_layer(context.pinned).scores(output).detach()
    summed = (shares_of(context.pinned, output) * output.unsqueeze(1)).sum(2)
    pooled = context.activations.flatten(2).mean(2)
    classifiers = list(_linear(context.model, pooled.shape[1], output.shape[1]))
    scale = output.abs().amax()
    computed = [pooled @ weight.mT + (0 if bias is None else bias) for weight, bias in classifiers]
    # one look for all, since a device would be waited for each time
    is_sum, *is_read = on_host([_close(summed, scores, scale), *(_close(one, output, scale) for one in computed)])
    if not is_sum:
        raise ConfigError(
            f"target {context.pinned}: CAM expected a score that is a sum of logits, such as top, logit, classes, label, "
            "contrast or margin, got another; take gradcam"
        )
    for (weight, _), reads in zip(classifiers, is_read, strict=True):
        if reads:
            return weight
    classes = f"no linear layer from {pooled.shape[1]} channels to {output.shape[1]} outputs"
    raise ConfigError(
        f"layer {context.tap}: CAM expected average pooling of this layer and one linear classifier behind it, got "
        f"{'something more between them' if classifiers else classes}"
        "; take the layer that is pooled, or gradcam, which equals CAM there and works elsewhere"
    )


def shares_of(pinned: Pinned, output: Tensor) -> Tensor:
    """What every logit (N, classes) contributes to the scores, (N, T, classes)."""
    with torch.enable_grad():
        logits = output.detach().clone().requires_grad_()
        (gradient,), _ = gradients_at(without_layer(pinned).scores(logits), [logits])
    if gradient is None:  # the scores do not depend on the logits
        return logits.new_zeros(logits.shape[0], 1, output.shape[1])
    return torch.stack(tuple(gradient), 1)


def _close(logits: Tensor, expected: Tensor, scale: Tensor) -> Tensor:
    return (logits - expected).abs().amax() <= CLOSE.get(expected.dtype, 3e-2) * scale


def _linear(model: nn.Module, channels: int, classes: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Weight (classes, C) and bias of every linear layer, or convolution of one pixel, of that size; the last first."""
    for module in reversed(list(model.modules())):
        weight = getattr(module, "weight", None)
        if not isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) or not isinstance(weight, Tensor):
            continue
        if weight.shape[:2] == (classes, channels) and weight.numel() == classes * channels:
            yield weight.detach().flatten(1), None if module.bias is None else module.bias.detach()
