"""Samples that depend on each other are explained by their own scores, and it is said; others cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers import unusual_nets
from helpers.hard_nets import Plain, images, seeded
from helpers.own_maps import own_maps
from helpers.untouched import counted, untouched
from xaikit.errors import ConfigError
from xaikit.passes.dependence import REASON


class Mixing(Plain):
    """What ``mix`` makes of the features of a batch."""

    def __init__(self, mix: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.mix = mix

    def features(self, x: Tensor) -> Tensor:
        return self.act2(self.conv2(self.mix(self.act1(self.conv1(x)))))


def attended(x: Tensor) -> Tensor:
    """Attention among the samples of a batch."""
    flat = x.flatten(1)
    return ((flat @ flat.T / 50).softmax(1) @ flat).view_as(x)


MIXES: dict[str, Callable[[Tensor], Tensor]] = {
    "less the mean": lambda x: x - x.mean(0, keepdim=True),
    "less the mean of everything": lambda x: x - x.mean(),
    "a share of the batch": lambda x: x.softmax(0),
    "less the next": lambda x: x - x.roll(1, 0),
    "less the first": lambda x: x - x[:1],
    "sums so far": lambda x: x.cumsum(0),
    "attention": attended,
    "batch normalization": lambda x: nn.functional.batch_norm(x, None, None, training=True),
    "a share of the largest value": lambda x: x / x.amax(),
}
APART: dict[str, Callable[[Tensor], Tensor]] = {
    "instance normalization": nn.functional.instance_norm,
    "turned there and back": lambda x: x.transpose(0, 1).relu().transpose(0, 1),
    "a matrix for each": lambda x: x @ x.mT @ x,
}
TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    "a share of the batch": lambda logits: logits[:, 1].softmax(0),
    "less the mean": lambda logits: logits[:, 1] - logits[:, 1].mean(),
    "a whitened score": lambda logits: logits[:, 1] / logits.std(),
}


def explain(model: nn.Module, x: Tensor, target: Any = 1, method: Any = "gradcam") -> xaikit.Explanation:
    with untouched(model, x):
        return xaikit.explain(model, x, {"a": method}, layers="conv1", target=target)["a"]


def is_remarked(explanation: xaikit.Explanation) -> bool:
    return REASON in {remark.reason for remark in explanation.warnings}


@pytest.mark.parametrize("mix", MIXES)
def test_a_model_that_mixes_samples(mix: str) -> None:
    model, x = seeded(lambda: Mixing(MIXES[mix])), images(3, 2, 8, 7)
    for _ in range(2):
        explanation = explain(model, x)
        assert torch.allclose(
            explanation.maps["conv1"], own_maps(model, x, "conv1", lambda y: y[:, 1]), rtol=1e-7, atol=1e-12
        )
        assert is_remarked(explanation)
    assert not is_remarked(explain(model, x[:1]))


@pytest.mark.parametrize("largest", [0, 1, 2])
def test_a_model_that_mixes_samples_through_one_of_them(largest: int) -> None:
    model, x = seeded(lambda: Mixing(MIXES["a share of the largest value"])), images(3, 2, 8, 7)
    x[largest] *= 9
    explanation = explain(model, x)
    assert is_remarked(explanation)
    assert torch.allclose(
        explanation.maps["conv1"], own_maps(model, x, "conv1", lambda y: y[:, 1]), rtol=1e-7, atol=1e-12
    )


@pytest.mark.parametrize("shown", [[0], [1], [2], [0, 1], []])
def test_samples_without_a_gradient_hide_no_mixing_from_the_next_batch(shown: list[int]) -> None:
    class Padded(Mixing):
        """Images of zeros are padding, and have no score."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * x.flatten(1).any(1, keepdim=True)

    model, x = seeded(lambda: Padded(MIXES["batch normalization"])), images(3, 2, 8, 7)
    padded = torch.zeros_like(x)
    padded[shown] = x[shown]
    for batch in (padded, x):
        explanation = explain(model, batch)
        assert torch.allclose(
            explanation.maps["conv1"], own_maps(model, batch, "conv1", lambda y: y[:, 1]), rtol=1e-7, atol=1e-12
        )
    assert is_remarked(explanation)


def test_what_trains_far_from_the_scores_is_judged_anew() -> None:
    deep = [layer for _ in range(20) for layer in (nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())]
    model = seeded(lambda: Mixing(nn.Sequential(nn.BatchNorm2d(4), *deep))).double()
    with torch.no_grad():
        for weight in model.mix.parameters():
            weight.mul_(2)
    x = images(3, 2, 8, 7)
    assert not is_remarked(explain(model, x))
    model.train()
    with untouched(model, x):
        explanation = xaikit.explain(model, x, "gradcam", layers="conv1", target=1, mode="as_is")["gradcam"]
    assert is_remarked(explanation)
    assert torch.allclose(
        explanation.maps["conv1"], own_maps(model, x, "conv1", lambda y: y[:, 1]), rtol=1e-7, atol=1e-12
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_that_compares_samples(target: str) -> None:
    model, x = seeded(Plain), images(3, 2, 8, 7)
    for function in (TARGETS[target], lambda logits: logits[:, 1].sigmoid(), TARGETS[target]):
        explanation = explain(model, x, function)
        assert torch.allclose(explanation.maps["conv1"], own_maps(model, x, "conv1", function), rtol=1e-7, atol=1e-12)
        assert is_remarked(explanation) == (function is TARGETS[target])


@pytest.mark.parametrize("along", [(0, 1), (1, 0)])
def test_a_target_along_another_axis_is_judged_anew(along: tuple[int, int]) -> None:
    model, x = seeded(Plain), images(3, 2, 8, 7)
    for axis in along:
        explanation = explain(model, x, lambda logits, axis=axis: logits.softmax(axis)[:, 1])
        assert is_remarked(explanation) == (axis == 0)


@pytest.mark.parametrize("apart", APART)
def test_what_only_looks_like_mixing_is_asked_once(apart: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = seeded(lambda: Mixing(APART[apart])), images(3, 2, 8, 7)
    counts = counted(monkeypatch, model)
    assert not is_remarked(explain(model, x))
    first = counts["gradient calls"]
    assert not is_remarked(explain(model, x))
    assert (first, counts["gradient calls"]) == (3, 4)


def test_an_ordinary_model_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    placed = seeded(lambda: Mixing(lambda x: x.flatten(2).softmax(2).view_as(x)))
    for model in (seeded(Plain), seeded(unusual_nets.SharedWeights), placed):
        counts = counted(monkeypatch, model)
        explain(model, images())
        assert counts["gradient calls"] == 1
        monkeypatch.undo()


@pytest.mark.parametrize("method", ["scorecam", "ablationcam"])
def test_further_passes_vary_one_sample_and_leave_the_others(method: str) -> None:
    model, x = seeded(lambda: Mixing(nn.BatchNorm2d(4, track_running_stats=False))), images(3, 2, 8, 7)
    explanation = explain(model, x, method=method)
    assert is_remarked(explanation)
    assert torch.allclose(explanation.maps["conv1"], by_hand(model, x, method), rtol=1e-6, atol=1e-9)


def test_a_replay_notices_it_without_a_gradient() -> None:
    model, x = seeded(lambda: Mixing(lambda x: x - x.mean(0, keepdim=True))), images(3, 2, 8, 7)
    explanation = explain(model, x, method="ablationcam")
    assert is_remarked(explanation)
    assert torch.allclose(explanation.maps["conv1"], by_hand(model, x, "ablationcam"), rtol=1e-6, atol=1e-9)


def by_hand(model: nn.Module, x: Tensor, method: str) -> Tensor:
    """Each sample alone through the method, the batch around it as it is: one row of a batch of one row that varies."""

    class Alone(nn.Module):
        """The model of one sample, in the batch that it is in."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.conv1, self.row = model.conv1, row

        def forward(self, one: Tensor) -> Tensor:
            maps = self.conv1(one)
            others = model.conv1.forward(x)
            batches = [torch.cat([others[: self.row], each[None], others[self.row + 1 :]]) for each in maps]
            features = [model.act2(model.conv2(model.mix(model.act1(batch)))) for batch in batches]
            return torch.stack([model.classify(batch)[self.row] for batch in features])

    maps = [
        xaikit.explain(Alone(row).eval(), x[row : row + 1], method, layers="conv1", target=1)[method].maps["conv1"]
        for row in range(len(x))
    ]
    return torch.cat(maps)


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("shapleycam", "hvp: expected samples that do not depend on each other"),
        ("liftcam", "the contributions do not sum to what the score loses"),
    ],
)
def test_what_is_computed_of_a_sum_is_refused(method: str, why: str) -> None:
    model, x = seeded(lambda: Mixing(lambda x: x - x.mean(0, keepdim=True))), images(3, 2, 8, 7)
    with pytest.raises(ConfigError, match=why):
        explain(model, x, method=method)
    assert bool(explain(model, x[:1], method=method).maps["conv1"].isfinite().all())
