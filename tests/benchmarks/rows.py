"""What is measured, and what xaikit promises to reach."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import timm
import torch
import torchvision
from torch import nn

from benchmarks.sides import (
    FORWARD,
    GRAD_CAM,
    TORCHCAM,
    XAIKIT,
    Side,
    Subject,
    by_grad_cam,
    by_torchcam,
    forward,
    ours,
    scores_by_torchcam,
)

SIZE = int(os.environ.get("BENCHMARK_SIZE", 224))
BATCH = int(os.environ.get("BENCHMARK_BATCH", 0))
"""In place of the batches of several; 0 leaves each as it is."""


SLOW_ROUNDS = 2
NETS: Mapping[str, Callable[[], nn.Module]] = {
    "ResNet-18": torchvision.models.resnet18,
    "ResNet-50": torchvision.models.resnet50,
    "EfficientNet-Lite0": lambda: timm.create_model("tf_efficientnet_lite0"),
    "ViT-S/16": lambda: timm.create_model("vit_small_patch16_224", img_size=SIZE),
}
STAGES = ("layer1", "layer2", "layer3", "layer4")
FOUR = ("gradcam", "gradcampp", "xgradcam", "layercam")
EIGHT = (*FOUR, "hirescam", "elementcam", "eigencam", "eigengradcam")
FOUR_OF_TORCHCAM = ("GradCAM", "GradCAMpp", "XGradCAM", "LayerCAM")
FOUR_OF_GRAD_CAM = ("GradCAM", "GradCAMPlusPlus", "XGradCAM", "LayerCAM")
EIGHT_OF_GRAD_CAM = (*FOUR_OF_GRAD_CAM, "HiResCAM", "GradCAMElementWise", "EigenCAM", "EigenGradCAM")


@dataclass(frozen=True)
class Goal:
    """At most ``bound`` times the forward; or, given rivals, at least ``bound`` times as fast as each of them.

    within  at most so many times as long as others, by name
    """

    bound: float
    rivals: tuple[str, ...] = ()
    within: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        first = (
            f"≥ {self.bound:g} x as fast as {' and '.join(self.rivals)}"
            if self.rivals
            else f"≤ {self.bound:.2f} forwards"
        )
        return ", ".join([first, *(f"≤ {bound:g} x as long as {name}" for name, bound in self.within.items())])

    def met(self, of_forward: float, of_xaikit: Mapping[str, float]) -> bool:
        """Whether the medians reach it: how many forwards xaikit takes, and how many times its time each peer takes."""
        if not all(of_xaikit[name] * bound >= 1 for name, bound in self.within.items()):
            return False
        if self.rivals:
            return all(of_xaikit[rival] >= self.bound for rival in self.rivals)
        return of_forward <= self.bound


@dataclass(frozen=True)
class Row:
    """One line of the table: what the sides compute, and which of them are too slow for all rounds."""

    title: str
    net: str
    batch: int
    sides: Mapping[str, Side]
    goal: Goal
    slow: frozenset[str] = frozenset()
    measure: Literal["s", "MiB"] = "s"

    @property
    def compared(self) -> dict[str, Side]:
        """All that is measured: the bare forward and the sides."""
        return {FORWARD: forward, **self.sides}

    def rounds(self, side: str, rounds: int) -> int:
        """How often a side is measured."""
        return min(rounds, SLOW_ROUNDS) if side in self.slow else rounds


def subject(net: str, batch: int, size: int = SIZE, device: str = "cpu") -> Subject:
    """A net with random weights, the same each time, in eval mode, and its inputs, NCHW as a user gives them."""
    inputs = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))
    return Subject(_net(net, device), inputs.to(device))


@cache
def _net(name: str, device: str) -> nn.Module:
    torch.manual_seed(0)
    return NETS[name]().eval().to(device)


ROWS = (
    Row(
        "Grad-CAM, ResNet-50 layer4, batch 8",
        "ResNet-50",
        8,
        {
            XAIKIT: ours("gradcam", ["layer4"]),
            TORCHCAM: by_torchcam(["GradCAM"], ["layer4"]),
            GRAD_CAM: by_grad_cam(["GradCAM"], ["layer4"]),
        },
        Goal(1.10),
    ),
    Row(
        "Grad-CAM, EfficientNet-Lite0 last map, batch 8",
        "EfficientNet-Lite0",
        8,
        {XAIKIT: ours("gradcam", ["bn2"]), GRAD_CAM: by_grad_cam(["GradCAM"], ["bn2"])},
        Goal(1.15),
    ),
    Row(
        "4 methods x layer1-4, ResNet-50, batch 8",
        "ResNet-50",
        8,
        {
            XAIKIT: ours(FOUR, STAGES),
            TORCHCAM: by_torchcam(FOUR_OF_TORCHCAM, STAGES),
            GRAD_CAM: by_grad_cam(FOUR_OF_GRAD_CAM, STAGES),
        },
        Goal(2.5),
    ),
    Row(
        "8 methods x layer1-4, ResNet-50, batch 8",
        "ResNet-50",
        8,
        {XAIKIT: ours(EIGHT, STAGES), GRAD_CAM: by_grad_cam(EIGHT_OF_GRAD_CAM, STAGES)},
        Goal(3.2),
        slow=frozenset({GRAD_CAM}),
    ),
    Row(
        "Grad-CAM of the 10 top classes, ResNet-50 layer4, batch 8",
        "ResNet-50",
        8,
        {
            XAIKIT: ours("gradcam", ["layer4"], {"use": "top", "k": 10}),
            TORCHCAM: by_torchcam(["GradCAM"], ["layer4"], classes=10),
            GRAD_CAM: by_grad_cam(["GradCAM"], ["layer4"], classes=10),
        },
        Goal(1.25),
    ),
    Row(
        "Eigen-CAM, ResNet-50 layer4, batch 8",
        "ResNet-50",
        8,
        {XAIKIT: ours("eigencam", ["layer4"]), GRAD_CAM: by_grad_cam(["EigenCAM"], ["layer4"])},
        Goal(1.10),
    ),
    Row(
        "Ablation-CAM, ResNet-18 layer4 (512 channels), batch 1",
        "ResNet-18",
        1,
        {XAIKIT: ours("ablationcam", ["layer4"]), GRAD_CAM: by_grad_cam(["AblationCAM"], ["layer4"])},
        Goal(100, rivals=(GRAD_CAM,)),
        slow=frozenset({GRAD_CAM}),
    ),
    Row(
        "Ablation-CAM, ResNet-18 layer3 (256 channels), batch 1",
        "ResNet-18",
        1,
        {XAIKIT: ours("ablationcam", ["layer3"]), GRAD_CAM: by_grad_cam(["AblationCAM"], ["layer3"])},
        Goal(5, rivals=(GRAD_CAM,)),
        slow=frozenset({GRAD_CAM}),
    ),
    Row(
        "Score-CAM (softmax, float32), ResNet-18 layer4, batch 1",
        "ResNet-18",
        1,
        {
            XAIKIT: ours({"scorecam": {"use": "scorecam", "weighting": "softmax"}}, ["layer4"]),
            TORCHCAM: scores_by_torchcam("layer4"),
            GRAD_CAM: by_grad_cam(["ScoreCAM"], ["layer4"]),
        },
        Goal(1.3, rivals=(TORCHCAM, GRAD_CAM)),
        slow=frozenset({TORCHCAM, GRAD_CAM}),
    ),
    Row(
        "Peak memory over the loaded model: Grad-CAM, ResNet-50 layer4, batch 16",
        "ResNet-50",
        16,
        {
            XAIKIT: ours("gradcam", ["layer4"]),
            TORCHCAM: by_torchcam(["GradCAM"], ["layer4"]),
            GRAD_CAM: by_grad_cam(["GradCAM"], ["layer4"]),
        },
        Goal(1.2),
        measure="MiB",
    ),
)


def _of_batch(row: Row) -> Row:
    if not BATCH or row.batch == 1:
        return row
    return replace(row, batch=BATCH, title=row.title.replace(f"batch {row.batch}", f"batch {BATCH}"))


ROWS = tuple(map(_of_batch, ROWS))


def chosen(part: str) -> list[Row]:
    """The rows whose title holds the part, in any case."""
    return [row for row in ROWS if part.lower() in row.title.lower()]
