"""Pictures of unequal size in a list: each as if it were alone, and one explanation of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

import xaikit
from xaikit.notebook.unequal import padded

SIZES = ((10, 14), (16, 9), (12, 12))
DRAW = torch.Generator().manual_seed(0)
PICTURES = [torch.rand(3, *size, generator=DRAW) for size in SIZES]


class Net(nn.Module):
    """Takes pictures of any size, of one size a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 5, 3, padding=1), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.conv(x).relu().mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return Net().eval()


def alone(net: nn.Module, row: int, method: str = "gradcam", **more: Any) -> xaikit.Explanation:
    return xaikit.explain(net, PICTURES[row][None], method, layers="conv", ids=[str(row)], **more)[method]


def check_each(explained: xaikit.Explanation, parts: list[xaikit.Explanation]) -> None:
    assert explained.map is not None
    for row, (part, (high, wide)) in enumerate(zip(parts, SIZES, strict=True)):
        assert part.map is not None
        assert torch.equal(explained.map[row, :high, :wide], part.map[0])
        assert bool(explained.map[row, high:].isnan().all())
        assert bool(explained.map[row, :, wide:].isnan().all())
        assert explained.scores[row] == part.scores[0]


@pytest.mark.parametrize("method", ["gradcam", "scorecam", "smoothgradcampp"])
def test_each_is_explained_as_if_it_were_alone(net: nn.Module, method: str) -> None:
    explained = xaikit.explain(net, PICTURES, method, layers="conv")[method]
    check_each(explained, [alone(net, row, method) for row in range(3)])


def test_arrays_are_taken_as_tensors_are(net: nn.Module) -> None:
    arrays = [picture.double().numpy() for picture in PICTURES]
    explained = xaikit.explain(net, arrays, "gradcam", layers="conv")["gradcam"]
    check_each(explained, [alone(net, row) for row in range(3)])


@pytest.mark.parametrize(
    ("stated", "indices"),
    [
        ({"target": [3, 1, 0]}, [[3], [1], [0]]),
        ({"target": "label", "labels": [3, 1, 0]}, [[3], [1], [0]]),
        ({"target": [[3], [1, 2], [0]]}, [[3, -1], [1, 2], [0, -1]]),
        ({"target": np.array([[3, 1], [1, 2], [0, 2]])}, [[3, 1], [1, 2], [0, 2]]),
        ({"target": ["b", "a", "d"], "classes": list("abcd")}, [[1], [0], [3]]),
    ],
)
def test_each_has_the_target_that_is_stated_of_it(net: nn.Module, stated: Any, indices: list[list[int]]) -> None:
    explained = xaikit.explain(net, PICTURES, "gradcam", layers="conv", **stated)["gradcam"]
    assert explained.target.indices.tolist() == indices  # type: ignore[attr-defined]
    rows = explained.scores.reshape(3, -1)
    for row, picture in enumerate(PICTURES):
        with torch.no_grad():
            logits = net(picture[None])[0]
        for score, index in zip(rows[row].tolist(), indices[row], strict=True):
            assert np.isnan(score) if index < 0 else score == pytest.approx(float(logits[index]), abs=1e-6)


def test_functions_of_each_sample(net: nn.Module) -> None:
    functions = [lambda logits: logits[0], lambda logits: logits[1], lambda logits: 2 * logits[2]]
    explained = xaikit.explain(net, PICTURES, "gradcam", layers="conv", target=functions)["gradcam"]
    with torch.no_grad():
        expected = [float(function(net(one[None])[0])) for function, one in zip(functions, PICTURES, strict=True)]
    assert explained.scores.tolist() == pytest.approx(expected, abs=1e-6)


def test_pictures_are_as_large_as_their_own(net: nn.Module) -> None:
    explained = xaikit.explain(net, PICTURES, "gradcam", layers="conv", target=[0, 1, 2])["gradcam"]
    for row, (high, wide) in enumerate(SIZES):
        overlay = explained.overlay(sample=row)
        assert overlay.height == high
        assert (
            overlay.crop((0, 0, wide, high)).tobytes()
            == alone(net, row, target=row).overlay().crop((0, 0, wide, high)).tobytes()
        )
    assert [tuple(mask.shape) for mask in explained.mask()] == list(SIZES)
    assert explained.plot().width > 0


def test_warnings_are_of_their_picture() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    bright, dark = 1 + torch.arange(24.0).reshape(1, 4, 6), torch.zeros(1, 5, 3)
    with torch.no_grad():
        net[0].bias.fill_(-0.5)
        net[0].weight.fill_(1.0)
        net[4].weight.fill_(1.0)
    explained = xaikit.explain(net.eval(), [bright, dark], "layercam", layers="1", target=0)["layercam"]
    assert {remark.sample for remark in explained.warnings} == {1}


def test_graphs_are_kept_where_they_are_asked_for(net: nn.Module) -> None:
    maps = xaikit.explain(net, PICTURES, "gradcam", layers="conv", differentiable=True)["gradcam"].maps["conv"]
    (gradient,) = torch.autograd.grad(maps.nansum(), [net.conv.weight])  # type: ignore[list-item]
    assert bool(gradient.abs().sum() > 0)


def test_a_detector_takes_them_as_it_takes_its_lists() -> None:
    torch.manual_seed(0)
    detector = torchvision.models.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3, score_thresh=0.0, nms_thresh=1.0, detections_per_img=20
    ).eval()
    pictures = [torch.rand(3, 80, 100), torch.rand(3, 60, 50)]
    target = {"use": "box", "rank": [1, 2]}
    explained = xaikit.explain(detector, pictures, "hirescam", target=target, finish={"fuse": "max"})["hirescam"]
    with torch.no_grad():
        detections = detector(pictures)
    assert explained.map is not None
    assert explained.map.shape == (2, 2, 80, 100)
    assert bool(explained.map[1, :, :60, :50].isfinite().all())
    best = torch.stack([one["scores"].topk(2).values for one in detections])
    torch.testing.assert_close(explained.scores, best, rtol=1e-4, atol=1e-6)
    assert explained.target.boxes.shape == (2, 2, 4)  # type: ignore[attr-defined]
    assert all(place["corners"][2] <= 50 for place in explained.target.place(1))  # type: ignore[attr-defined]


def test_as_many_boxes_as_each_has(tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text(
        "def boxes(output):\n"
        "    return [{'boxes': one[:, :4], 'scores': one[:, 4], 'labels': one[:, 5].long()} for one in output]\n"
    )

    class Rows(nn.Module):
        """As many boxes as the picture is high, of which the first ones are sure."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            scores = 0.1 * self.conv(x).mean((1, 3)).sigmoid() + torch.linspace(0.9, 0, x.shape[2])
            at = torch.arange(x.shape[2]).expand(len(x), -1).float()
            return torch.stack([at, at, at + 1, at + 1, scores, 0 * at], 2)

    target = {"use": "box", "above": 0.5, "format": f"{tmp_path}/rows.py:boxes"}
    explained = xaikit.explain(Rows().eval(), PICTURES, "hirescam", layers="conv", target=target)["hirescam"]
    padding = explained.target.padding  # type: ignore[attr-defined]
    assert (~padding).sum(1).tolist() == [5, 8, 6]
    assert torch.equal(explained.scores.isnan(), padding)
    assert [len(explained.target.place(row)) for row in range(3)] == [padding.shape[1]] * 3  # type: ignore[attr-defined]
    assert explained.plot().width > 0


def test_what_no_picture_has_is_no_attribute(net: nn.Module) -> None:
    target = xaikit.explain(net, PICTURES, "gradcam", layers="conv", target=1)["gradcam"].target
    assert str(target) == "class 1"
    assert target.scores([net(one[None]) for one in PICTURES]).shape == (3, 1)
    with pytest.raises(AttributeError, match="has no boxes"):
        _ = target.boxes  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([torch.rand(3, 8, 8), torch.rand(1, 3, 8, 8)], "of one shape"),
        ([torch.rand(3, 8, 8), torch.rand(4)], "of one shape"),
    ],
)
def test_what_are_no_pictures_of_several_sizes_is_refused(net: nn.Module, pictures: Any, message: str) -> None:
    with pytest.raises(xaikit.XaikitError, match=message):
        xaikit.explain(net, pictures)


def test_too_few_labels_are_told(net: nn.Module) -> None:
    with pytest.raises(xaikit.ConfigError, match="expected 3 class indices"):
        xaikit.explain(net, PICTURES, target=[1, 2])


def test_padding_is_behind_every_axis() -> None:
    assert padded([torch.ones(1, 1, 2), torch.ones(1, 2, 1)], 0).tolist() == [[[1, 1], [0, 0]], [[1, 0], [1, 0]]]
