"""What the tests of parity share: pytorch-grad-cam's raw maps, and a map as peers finish it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from helpers.nets import PLACES, subject


def theirs(name: str, peer: Any, **options: Any) -> list[Tensor]:
    """The raw maps of pytorch-grad-cam at both places."""
    model, x, classes = subject(name)
    modules = [model.get_submodule(layer) for layer in PLACES[name]]
    targets = [ClassifierOutputTarget(index) for index in classes]
    with peer(model, modules, **options) as extractor:
        extractor(x, targets)
        evidence = extractor.activations_and_grads
        gradients = evidence.gradients or [None] * len(modules)
        raw = [
            extractor.get_cam_image(x, module, targets, a.numpy(), None if g is None else g.numpy(), False)
            for module, a, g in zip(modules, evidence.activations, gradients, strict=True)
        ]
    return [torch.from_numpy(np.ascontiguousarray(one)) for one in raw]


def picture(saliency: Tensor) -> Tensor:
    """After the ReLU, between minimum and maximum; nothing stays nothing."""
    saliency = saliency.relu()
    low = saliency.amin((1, 2), keepdim=True)
    span = saliency.amax((1, 2), keepdim=True) - low
    return (saliency - low) / span.where(span > 0, 1)
