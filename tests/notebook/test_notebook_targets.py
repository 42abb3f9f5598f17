"""Targets of ``xaikit.explain`` in all forms that notebooks have them in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Plain, images, seeded
from xaikit import ConfigError
from xaikit_targets.box import Box
from xaikit_targets.region import Region
from xaikit_targets.similarity import Similarity

NAN = float("nan")
TRUTHS = [[True, False, True], [False, True, False]]


@pytest.fixture
def model() -> nn.Module:
    return seeded(Plain)


def explained(model: nn.Module, target: Any, method: str = "gradcam", **rest: Any) -> Any:
    return xaikit.explain(model, images(), method, layers="conv2", target=target, **rest)[method]


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (np.int64(2), [2, 2]),
        (torch.tensor(2), [2, 2]),
        (np.array(2), [2, 2]),
        ([np.int64(0), 2], [0, 2]),
        (np.array([0, 2], dtype=np.int32), [0, 2]),
        (range(2), [0, 1]),
        (torch.tensor([[1], [2]]), [[1], [2]]),
        (np.array([[0, 1], [2, 0]]), [[0, 1], [2, 0]]),
        ([[0, 1], (2, 0)], [[0, 1], [2, 0]]),
        ([[0, 1], [2]], [[0, 1], [2, -1]]),
        ([torch.tensor([1]), np.array([2, 0])], [[1, -1], [2, 0]]),
        ([[], [1]], [[-1], [1]]),
        (torch.tensor(TRUTHS), [[0, 2], [1, -1]]),
        (np.array(TRUTHS, dtype=np.float32), [[0, 2], [1, -1]]),
        (TRUTHS, [[0, 2], [1, -1]]),
        ({"use": "classes", "of": np.array([1, 2])}, [[1, 2], [1, 2]]),
        ({"use": "logit", "index": torch.tensor(1)}, [1, 1]),
    ],
)
def test_classes_in_any_form_have_their_scores_and_maps(model: nn.Module, target: Any, classes: Any) -> None:
    explanation, logits = explained(model, target), model(images()).detach()
    indices = torch.tensor(classes)
    rows = indices if indices.dim() == 2 else indices.unsqueeze(1)
    want = logits.gather(1, rows.clamp(min=0)).masked_fill(rows < 0, NAN).reshape(indices.shape)
    torch.testing.assert_close(explanation.scores, want, equal_nan=True)
    assert explanation.map.shape[: indices.dim()] == indices.shape
    for place in (rows >= 0).nonzero().tolist():
        alone = explained(model, int(rows[tuple(place)])).map[place[0]]
        torch.testing.assert_close(explanation.with_targets(explanation.map)[tuple(place)], alone)


@pytest.mark.parametrize(
    "method", ["gradcam", "eigencam", "scorecam", "ablationcam", "fullgrad", "randomcam", "uniform"]
)
@pytest.mark.parametrize("normalize", ["max", "minmax", "none"])
def test_what_a_sample_has_fewer_of_is_nan_at_every_stage_and_no_remark(
    model: nn.Module, method: str, normalize: str
) -> None:
    ragged = explained(model, [[0, 1], [2]], method, finish={"normalize": normalize})
    alone = explained(model, [0, 2], method, finish={"normalize": normalize})
    for stage in (*ragged.maps.values(), *ragged.finished.values(), ragged.map, ragged.scores):
        assert stage[1, 1].isnan().all()
        assert not stage[0].isnan().any()
        assert not stage[1, 0].isnan().any()
    torch.testing.assert_close(ragged.map[:, 0], alone.map)
    of_second = [(one.layer, one.reason) for one in ragged.warnings if one.sample == 1]
    assert of_second == [(one.layer, one.reason) for one in alone.warnings if one.sample == 1]


def test_a_sample_of_no_class_has_nothing_said_of_it(model: nn.Module) -> None:
    with torch.no_grad():
        model.head.weight.zero_()
    explanation = explained(model, [[0, 1], []])
    assert explanation.map[1].isnan().all()
    assert {one.sample for one in explanation.warnings} == {0}
    assert str(explanation.target) == "class 0, 1 or no class"


def test_functions_one_a_sample_are_given_the_output_of_theirs(model: nn.Module) -> None:
    explanation = explained(model, [lambda output: output[0], lambda output: output[2] - output[1]])
    logits = model(images()).detach()
    torch.testing.assert_close(explanation.scores, torch.stack([logits[0, 0], logits[1, 2] - logits[1, 1]]))
    torch.testing.assert_close(explanation.map[0], explained(model, 0).map[0])


class Pixels(nn.Module):
    """Logits of pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x).relu())


class Detector(nn.Module):
    """Two fixed boxes, whose scores are logits."""

    def __init__(self) -> None:
        super().__init__()
        self.net = seeded(Plain)

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        boxes, labels = torch.tensor([[0.0, 0, 4, 4], [4.0, 4, 8, 8]]), torch.tensor([1, 2])
        return [{"boxes": boxes, "labels": labels, "scores": row[:2].sigmoid()} for row in self.net(x)]


BOXES = torch.tensor([[0.0, 0, 4, 4], [4.0, 4, 8, 8]])
HALVES = torch.stack([torch.arange(8) < 4, torch.arange(8) >= 4]).unsqueeze(1).expand(2, 8, 8)


@pytest.mark.parametrize("layers", ["auto", "conv1"])
@pytest.mark.parametrize(
    "target",
    [
        {"use": "region", "of": 2, "mask": HALVES},
        {"use": "region", "of": 2, "mask": HALVES.numpy()},
        Region(2, mask=HALVES),
    ],
)
def test_masks_of_samples(target: Any, layers: str) -> None:
    model = seeded(Pixels)
    x = images(2, 2, 8, 8)
    scores = xaikit.explain(model, x, layers=layers, target=target)["gradcam"].scores
    torch.testing.assert_close(scores, (model(x)[:, 2] * HALVES).sum((1, 2)).detach())


@pytest.mark.parametrize("layers", ["auto", "net.conv2"])
@pytest.mark.parametrize(
    "target", [{"use": "box", "box": BOXES, "of": [1, 2]}, Box(box=BOXES, of=torch.tensor([1, 2]))]
)
def test_boxes_of_samples(target: Any, layers: str) -> None:
    if isinstance(target, dict):
        target = {**target, "of": torch.tensor(target["of"])}
    model = seeded(Detector)
    scores = xaikit.explain(model, images(), layers=layers, target=target)["gradcam"].scores
    torch.testing.assert_close(scores, model.net(images()).sigmoid()[[0, 1], [0, 1]].detach())


@pytest.mark.parametrize("layers", ["auto", "conv2"])
def test_references_of_samples(model: nn.Module, layers: str) -> None:
    to = torch.tensor([[1.0, 0, 0], [0.0, 1, 1]])
    want = nn.functional.cosine_similarity(model(images()), to).detach()
    for target in ({"use": "similarity", "to": to}, {"use": "similarity", "to": to.numpy()}, Similarity(to)):
        explanation = xaikit.explain(model, images(), layers=layers, target=target)["gradcam"]
        torch.testing.assert_close(explanation.scores, want)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([1.5, 2.0], "expected one class index a sample"),
        ([True, False], "expected one class index a sample"),
        (["a", "b"], "label 'a' cannot be matched"),
        ([None, 1], "got None"),
        (torch.rand(2, 3), "expected one class index a sample"),
        (torch.zeros(2, 1, 1).long(), r"got torch.int64 of shape \(2, 1, 1\)"),
        ([[1, 2], 0], r"got a list of torch.int64 of shape \(2,\), torch.int64 of shape \(\)"),
        ({1, 2}, "expected a plain value"),
        ([[0], [1], [2]], "expected 2 class indices, one a sample, got 3"),
        ([[], []], "expected a class of one sample at least"),
        ([[0, 3], [1]], r"expected a class index in 0 \.\.\. 2, got 3"),
        ([[0, -2], [1, 2]], r"expected a class index in 0 \.\.\. 2, got -2"),
        (torch.tensor([[1, 0, 1], [0, 1, 0]]), r"expected each class once in a row, .* target.bool\(\)"),
        (torch.ones(2, 4).bool(), "expected truths of 3 classes a sample, got 4"),
        ([len], "expected 2 functions, one a sample, got 1 in a list of 1"),
        ([len, 1], "got 1 in a list of 2"),
        (
            [lambda output: output[:, 0]] * 2,
            r"target 0, <lambda>, .* of shape \(3,\): expected a number, it raised IndexError",
        ),
        ([lambda output: 1.0] * 2, "expected a tensor of one number, got float"),
        (Region, r"expected an instance, got the class; write Region\(\.\.\.\)"),
        ({"use": "logit", "indx": torch.tensor([1, 2])}, "unknown option of logit; did you mean 'index'"),
        ({"use": "logit", "index": torch.zeros(2, 2)}, "index: expected an integer"),
        ({"use": "similarity", "to": torch.ones(3, 3)}, r"expected 3 numbers, got a tensor of shape \(3, 3\)"),
        ({"use": "box", "box": BOXES}, "of: expected the label of the box, got none"),
    ],
)
def test_what_is_no_target_is_refused(model: nn.Module, target: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        explained(model, target)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (HALVES[0], r"expected \(2, H, W\), one a sample, or one for all, mask\[None\], got \(8, 8\)"),
        (torch.ones(3, 8, 8), r"got \(3, 8, 8\)"),
        (torch.zeros(2, 8, 8), "expected a pixel to explain, got none for sample 0"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask: Tensor, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        xaikit.explain(seeded(Pixels), images(2, 2, 8, 8), layers="conv1", target={"use": "region", "mask": mask})


def test_labels_are_one_a_sample(model: nn.Module) -> None:
    assert torch.equal(explained(model, "label", labels=np.array([1, 2])).scores, explained(model, [1, 2]).scores)
    with pytest.raises(ConfigError, match="labels: expected one class a sample"):
        explained(model, "label", labels=[[1, 2], [0]])
