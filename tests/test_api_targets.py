"""``xaikit.explain`` with labels, and with a target for one method."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import xaikit
from helpers.hard_nets import Plain, images, seeded
from xaikit import ConfigError


def test_labels_are_for_targets_of_the_class_of_a_sample() -> None:
    model, x = seeded(Plain), images()
    for use in ("margin", "rest"):
        explanation = xaikit.explain(model, x, layers="conv2", target={"use": use, "of": "label"}, labels=[2, 0])[
            "gradcam"
        ]
        for row, label in enumerate([2, 0]):
            alone = xaikit.explain(model, x, layers="conv2", target={"use": use, "of": label})["gradcam"]
            assert torch.equal(explanation.scores[row], alone.scores[row])
    by_name = xaikit.explain(model, x, layers="conv2", target="label", labels=torch.tensor([2, 0]))["gradcam"]
    assert torch.equal(
        by_name.maps["conv2"], xaikit.explain(model, x, layers="conv2", target=[2, 0])["gradcam"].maps["conv2"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "label", "labels": [1]}, "labels: expected 2 class indices, one a sample, got 1"),
        ({"target": [1, 0], "labels": [1, 0]}, "target: expected labels or one class index a sample, got both"),
    ],
)
def test_labels_that_do_not_fit_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        xaikit.explain(seeded(Plain), images(), layers="conv2", **arguments)


def test_a_method_may_have_a_target_of_its_own() -> None:
    model, x = seeded(Plain), images()
    methods = {"plain": "gradcam", "finer": {"use": "gradcam", "target": {"use": "margin", "of": 2}}}
    explanations = xaikit.explain(model, x, methods, layers="conv2", target=0)
    finer = xaikit.explain(model, x, layers="conv2", target={"use": "margin", "of": 2})["gradcam"]
    assert torch.equal(explanations["finer"].maps["conv2"], finer.maps["conv2"])
    assert torch.equal(
        explanations["plain"].maps["conv2"], xaikit.explain(model, x, layers="conv2", target=0)["gradcam"].maps["conv2"]
    )
