"""A module as it stands in somebody's program, explained by a run: kept, resumed, swept and compared as any other."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import xaikit
from helpers.runs import config
from xaikit.errors import ConfigError


class Net(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.body(x).mean((2, 3)))
        return logits


def values(folder: Path, **more: Any) -> dict[str, Any]:
    stated = {**config(folder), "layers": ["body"], **more}
    return {key: value for key, value in stated.items() if key != "model"}


def test_a_module_is_explained_and_left_as_it_was(tmp_path: Path) -> None:
    net = Net().train()
    before = copy.deepcopy(net.state_dict())
    report = xaikit.run(values(tmp_path), model=net)
    torch.testing.assert_close(dict(net.state_dict()), dict(before), rtol=0, atol=0)
    assert all(module.training and not module._forward_hooks for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert len(report.images) > 0
    assert report.trials[0].model == "Net"


def test_its_weights_are_its_name(tmp_path: Path) -> None:
    net = Net()
    first = xaikit.run(values(tmp_path), model=net)
    again = xaikit.run(values(tmp_path), model=copy.deepcopy(net))
    assert first.counts["forwards"] > 0
    assert again.counts == first.counts  # of all sittings together
    with torch.no_grad():
        net.head.weight[0, 0] += 1
    trained = xaikit.run(values(tmp_path), model=net)
    assert trained.counts["forwards"] == 2 * first.counts["forwards"]


def test_a_config_with_a_source_is_explained_with_the_module(tmp_path: Path) -> None:
    stated = {**values(tmp_path), "model": config(tmp_path)["model"]}
    assert xaikit.run(stated, model=Net()).trials[0].model == "Net"


def test_a_sweep_and_a_plan_take_a_module(tmp_path: Path) -> None:
    plan = xaikit.plan(values(tmp_path), axes=["target=0..2"], model=Net())
    assert plan.points == 3
    report = xaikit.run(values(tmp_path), axes=["target=0..2"], model=Net())
    assert {trial.target["index"] for trial in report.trials} == {0, 1, 2}


def test_a_folder_is_read_without_the_module_and_its_config_asks_for_it(tmp_path: Path) -> None:
    report = xaikit.run(values(tmp_path), model=Net())
    opened = xaikit.open(report.folder)
    assert torch.equal(opened.map(opened.images[0], opened.labels[0]), report.map(report.images[0], report.labels[0]))
    with pytest.raises(ConfigError, match=r"model: expected the module itself.*xaikit\.run\(config, model=module\)"):
        xaikit.run({**values(tmp_path), "model": {"source": "object", "name": "Net"}})


def test_what_is_no_module_or_lies_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model: expected a torch\.nn\.Module, got str"):
        xaikit.run(values(tmp_path), model="resnet50")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="device: expected auto or cpu, where the model of this call is, got 'cuda'"):
        xaikit.run(values(tmp_path), ["device=cuda"], model=Net())
