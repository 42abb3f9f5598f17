"""Detectors in the shape of YOLO and DETR whose evidence is known, and those of torchvision with random weights, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

SIDE, STRIDE, COLOURS = 32, 4, 3


def picture(*squares: tuple[int, int, int, int]) -> Tensor:
    """Black, with squares of a colour: (colour, y, x, side), in pixels."""
    image = torch.zeros(1, COLOURS, SIDE, SIDE, dtype=torch.float64)
    for colour, y, x, side in squares:
        image[0, colour, y : y + side, x : x + side] = 1
    return image


def mean_of_cells(stride: int) -> nn.Conv2d:
    """The mean colour of each cell."""
    conv = nn.Conv2d(COLOURS, COLOURS, stride, stride, bias=False, dtype=torch.float64)
    with torch.no_grad():
        conv.weight.copy_(torch.eye(COLOURS)[..., None, None].expand(-1, -1, stride, stride) / stride**2)
    return conv


class Head(nn.Module):
    """A class of each colour at every cell of two levels: of the fine one, cells that are filled and have no such neighbour."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.ModuleList(nn.Conv2d(COLOURS, COLOURS, 3, padding=1, dtype=torch.float64) for _ in range(2))
        for conv, gain, around in zip(self.classes, (9.0, 12.0), (-3.0, 0.1), strict=True):
            assert isinstance(conv, nn.Conv2d)
            with torch.no_grad():
                conv.weight.zero_()
                conv.weight[range(COLOURS), range(COLOURS)] = around
                conv.weight[range(COLOURS), range(COLOURS), 1, 1] = gain
                assert conv.bias is not None
                conv.bias.fill_(-5.0)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """(N, 4 + classes, K): middle, width and height in pixels, and the probability of each class."""
        rows = []
        for level, conv, stride in zip(levels, self.classes, (STRIDE, 2 * STRIDE), strict=True):
            down, across = ((torch.arange(side, dtype=level.dtype) + 0.5) * stride for side in level.shape[2:])
            y, x = torch.meshgrid(down, across, indexing="ij")
            sides = torch.full_like(x, stride)
            boxes = torch.stack([x, y, sides, sides]).flatten(1).expand(len(level), -1, -1)
            rows.append(torch.cat([boxes, conv(level).sigmoid().flatten(2)], 1))
        return torch.cat(rows, 2)


class YoloShaped(nn.Module):
    """Two levels, of strides 4 and 8, of which each is read from the one before; a head without suppression."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(mean_of_cells(STRIDE), nn.ReLU())
        self.coarse = nn.Sequential(mean_of_cells(2), nn.ReLU())
        self.head = Head()

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        output: Tensor = self.head([fine, self.coarse(fine)])
        return output


def yolo_shaped() -> nn.Module:
    """For a config; in single precision, as its pictures are."""
    return YoloShaped().float()


class WithObjectness(YoloShaped):
    """The same as grids of anchors have it: (N, K, 5 + classes)."""

    def forward(self, x: Tensor) -> Tensor:
        boxes, classes = super().forward(x).mT.split([4, COLOURS], 2)
        objectness = classes.amax(2, keepdim=True)
        return torch.cat([boxes, objectness, classes / objectness], 2)


def detections(output: Tensor) -> list[dict[str, Tensor]]:
    """What a user would write for YoloShaped: boxes by their corners, and what each class scores there."""
    middle, half = output[:, :2].mT, output[:, 2:4].mT / 2
    boxes = torch.cat([middle - half, middle + half], 2)
    return [{"boxes": box, "scores": scores.T} for box, scores in zip(boxes, output[:, 4:], strict=True)]


class DetrShaped(nn.Module):
    """Sixteen queries, of which each attends to one cell of a 4 x 4 grid by its position; a set of predictions."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(mean_of_cells(SIDE // 4), nn.ReLU())
        self.register_buffer("queries", 8 * torch.eye(16, dtype=torch.float64))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        tokens = self.backbone(x).flatten(2).mT
        codes = torch.eye(16).to(x)
        queries = self.get_buffer("queries").expand(len(x), -1, -1)
        seen = scaled_dot_product_attention(queries, 4 * codes.expand(len(x), -1, -1), tokens)
        nothing = torch.ones(len(x), 16, 1, dtype=x.dtype)
        middles = (torch.arange(4, dtype=x.dtype) + 0.5) / 4
        y, columns = torch.meshgrid(middles, middles, indexing="ij")
        boxes = torch.stack([columns.flatten(), y.flatten(), *[torch.full((16,), 0.25, dtype=x.dtype)] * 2], 1)
        return {"pred_logits": torch.cat([6 * seen, nothing], 2), "pred_boxes": boxes.expand(len(x), -1, -1)}


def detr_shaped() -> nn.Module:
    """For a config; in single precision, as its pictures are."""
    return DetrShaped().float()


SURE_OF_NOTHING: dict[str, Any] = {"min_size": 64, "max_size": 64, "num_classes": 4}


def _fpn() -> nn.Module:
    return resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256)
    )


TORCHVISION: dict[str, Callable[[], nn.Module]] = {
    "fasterrcnn": lambda: detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None,
        weights_backbone=None,
        box_score_thresh=0.0,
        rpn_post_nms_top_n_test=20,
        **SURE_OF_NOTHING | {"min_size": 128, "max_size": 128},
    ),
    "retinanet": lambda: detection.RetinaNet(_fpn(), score_thresh=0.0, **SURE_OF_NOTHING),
    "fcos": lambda: detection.FCOS(_fpn(), score_thresh=0.0, **SURE_OF_NOTHING),
    "ssdlite": lambda: detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4, score_thresh=0.0, detections_per_img=10
    ),
}


def of_torchvision(name: str) -> nn.Module:
    """A detector with random weights, the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TORCHVISION[name]().eval()
