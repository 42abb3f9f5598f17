"""The sides of a comparison: each goes from a model and its inputs to maps as large as the inputs, as its documentation says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn import functional as F
from torchcam import methods as torchcam

import xaikit

FORWARD, XAIKIT, TORCHCAM, GRAD_CAM = "forward", "xaikit", "TorchCAM", "pytorch-grad-cam"


@dataclass(frozen=True)
class Subject:
    """What is explained."""

    model: nn.Module
    inputs: Tensor


Side = Callable[[Subject], Any]


def forward(subject: Subject) -> Tensor:
    """The bare model: what all else is measured by."""
    with torch.inference_mode():
        scores: Tensor = subject.model(subject.inputs)
    return scores


def ours(methods: Any, layers: Sequence[str], target: Any = "top1") -> Side:
    """One call of ``xaikit.explain``, with its defaults."""

    def explain(subject: Subject) -> list[Tensor | None]:
        explanations = xaikit.explain(subject.model, subject.inputs, methods, layers=list(layers), target=target)
        return [explanation.map for explanation in explanations.values()]

    return explain


def by_torchcam(methods: Sequence[str], layers: Sequence[str], classes: int = 1) -> Side:
    """TorchCAM's gradient methods one after the other, all classes over one graph; each removes its hooks."""

    def explain(subject: Subject) -> list[Tensor]:
        maps = []
        for method in methods:
            with getattr(torchcam, method)(subject.model, list(layers)) as extractor:
                scores = subject.model(subject.inputs)
                top = scores.topk(classes).indices.T.tolist()
                for rank, chosen in enumerate(top, 1):
                    cams = extractor(chosen, scores, retain_graph=rank < classes)
                    maps.append(_fused(extractor, cams, subject.inputs))
        return maps

    return explain


def scores_by_torchcam(layer: str) -> Side:
    """TorchCAM's Score-CAM, which needs no graph."""

    def explain(subject: Subject) -> Tensor:
        with torchcam.ScoreCAM(subject.model, layer) as extractor:
            with torch.inference_mode():
                scores = subject.model(subject.inputs)
            return _fused(extractor, extractor(scores.argmax(1).tolist()), subject.inputs)

    return explain


def _fused(extractor: Any, cams: list[Tensor], inputs: Tensor) -> Tensor:
    """As large as the input: TorchCAM fuses several layers at any size, and leaves a single one small."""
    size = tuple(inputs.shape[2:])
    if len(cams) > 1:
        fused: Tensor = extractor.fuse_cams(cams, size)
        return fused
    return F.interpolate(cams[0][:, None], size, mode="bilinear", align_corners=False)[:, 0]


def by_grad_cam(methods: Sequence[str], layers: Sequence[str], classes: int = 1) -> Side:
    """The methods of pytorch-grad-cam one after the other, and one class after the other.

    It is told classes beforehand, as in its documentation: to look for the likeliest would take it another forward.
    """

    def explain(subject: Subject) -> list[Any]:
        maps = []
        modules = [subject.model.get_submodule(layer) for layer in layers]
        for method in methods:
            with getattr(pytorch_grad_cam, method)(model=subject.model, target_layers=modules) as cam:
                for index in range(classes):
                    targets = [ClassifierOutputTarget(index)] * len(subject.inputs)
                    maps.append(cam(input_tensor=subject.inputs, targets=targets))
        return maps

    return explain
