"""Several heads of one model explained at once: each method scores the part of the output that it says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.untouched import counted
from xaikit.errors import ConfigError

METHODS = ["gradcam", "ablationcam", "scorecam", "shapleycam", {"use": "smoothgradcampp", "n": 2}]


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())
        self.age, self.kind = nn.Linear(5, 4), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> dict[str, Any]:
        pooled = self.body(x).mean((2, 3))
        return {"age": self.age(pooled), "more": {"kind": self.kind(pooled)}}


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return TwoHeads().double().eval()


X = torch.rand(2, 3, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_each_head_equals_itself_alone(net: nn.Module, method: Any) -> None:
    use = {"use": method} if isinstance(method, str) else method
    both = xaikit.explain(
        net,
        X,
        {
            "a": {**use, "target": 3},
            "b": {**use, "output": "more.kind", "target": 2},
            "c": {**use, "output": "more.kind"},
        },
        layers="body",
        output="age",
        target=1,
    )
    for label, output, target in (("a", "age", 3), ("b", "more.kind", 2), ("c", "more.kind", 1)):
        alone = xaikit.explain(net, X, {label: use}, layers="body", output=output, target=target)[label]
        torch.testing.assert_close(both[label].scores, alone.scores)
        torch.testing.assert_close(both[label].maps["body"], alone.maps["body"])
        assert str(both[label].target) == str(alone.target)


def test_all_heads_share_one_forward(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = counted(monkeypatch, net)
    heads = {"a": {"use": "gradcam", "output": "age"}, "b": {"use": "gradcam", "output": "more.kind"}}
    xaikit.explain(net, X, heads, layers="body", target=1)
    assert counts["forwards"] == 1


def test_a_part_that_is_not_there_is_named(net: nn.Module) -> None:
    with pytest.raises(ConfigError, match="no key 'knd'; did you mean 'kind'"):
        xaikit.explain(net, X, {"a": {"use": "gradcam", "output": "more.knd"}}, layers="body", target=1)
    neuron = {"use": "gradcam", "output": "age", "target": {"use": "neuron", "layer": "age", "unit": 1}}
    with pytest.raises(ConfigError, match="output: 'age' plays no part for a target that is a unit of layer age"):
        xaikit.explain(net, X, {"a": neuron}, layers="body")
