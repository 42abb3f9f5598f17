"""``xaikit.explain`` with names for the outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import xaikit
from helpers.hard_nets import seeded
from xaikit import ConfigError

NAMES = ["tench", "tabby cat", "box", "top"]


def net() -> nn.Module:
    return seeded(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)),
        torch.float32,
    )


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def explained(target: object, **more: object) -> torch.Tensor:
    maps: torch.Tensor = xaikit.explain(net(), IMAGES, "gradcam", target=target, **{"classes": NAMES, **more})[
        "gradcam"
    ].map  # type: ignore[arg-type]
    return maps


@pytest.mark.parametrize(
    ("named", "numbered"),
    [
        ("tabby cat", 1),
        ("Tabby_Cat", 1),
        (["tench", "tabby cat"], [0, 1]),
        (np.array(["tench", "tabby cat"]), [0, 1]),
        ({"use": "classes", "of": ["tabby cat", 3]}, {"use": "classes", "of": [1, 3]}),
        ({"use": "contrast", "of": "tench", "against": ["box"]}, {"use": "contrast", "of": 0, "against": [2]}),
        ({"use": "logit", "index": "box"}, 2),
        ([["tench", "tabby cat"], ["box"]], [[0, 1], [2]]),
        ([("tench", 1), (np.str_("box"), 3)], [[0, 1], [2, 3]]),
    ],
)
def test_a_class_goes_by_its_name_wherever_it_goes_by_its_index(named: object, numbered: object) -> None:
    assert torch.equal(explained(named).nan_to_num(-1), explained(numbered).nan_to_num(-1))


def test_a_word_that_is_neither_a_target_nor_a_class_is_said_to_be_none() -> None:
    for stated in ("contrst", {"use": "contrst"}):
        with pytest.raises(ConfigError, match=r"names as classes=; nor is there a target of that name: .*'contrast'"):
            explained(stated, classes=None)
    with pytest.raises(ConfigError, match="target: the model has no class 'tinch'"):
        explained([["tench"], ["tinch"]])


def test_labels_and_targets_of_a_method_too() -> None:
    methods = {
        "a": {"use": "gradcam", "target": {"use": "margin", "of": "tench"}},
        "b": {"use": "gradcam", "target": "label"},
    }
    result = xaikit.explain(net(), IMAGES, methods, labels=["tench", "tabby cat"], classes=NAMES)
    assert result["b"].target.indices.tolist() == [[0], [1]]  # type: ignore[attr-defined]


def test_names_that_are_none_and_too_many_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the model has no class 'tinch'; did you mean 'tench'\?"):
        explained("tinch")
    with pytest.raises(ConfigError, match=r"target: the model has no class 'tinch'"):
        explained(["tench", "tinch"])
    with pytest.raises(ConfigError, match="'box' is a target and a class of this model"):
        explained("box")
    with pytest.raises(ConfigError, match="classes: expected 4 names, as many as outputs, got 3"):
        explained(0, classes=NAMES[:3])
    with pytest.raises(ConfigError, match="the model's class names are unknown"):
        explained("tench", classes=None)
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    assert torch.equal(explained("tench", classes=str(tmp_path / "names.txt")), explained(0))
