"""An explanation is a value; its remarks are made when somebody reads them."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import xaikit
from helpers.hard_nets import Plain, images, seeded
from xaikit.explanation import Explanation, Remark, RemarkCounts
from xaikit.targets import PinnedClasses


def explanation(*noted: RemarkCounts) -> Explanation:
    maps = {"layer4": torch.zeros(3, 7, 7)}
    target = PinnedClasses(torch.zeros(3, 1, dtype=torch.long))
    return Explanation("mine", maps, maps, None, torch.zeros(3), target, {"layer4": 32.0}, noted)


@pytest.mark.parametrize(
    ("remark", "text"),
    [
        (Remark(0, "layer4", "zero gradients"), "sample 0, layer4: zero gradients"),
        (Remark(2, "features+", "weight 0", 17), "sample 2, features+: weight 0 (17)"),
    ],
)
def test_a_remark_reads_as_a_line(remark: Remark, text: str) -> None:
    assert str(remark) == text


def test_only_the_samples_concerned_get_a_remark() -> None:
    noted = RemarkCounts("layer4", "weight 0", torch.tensor([3, 0, 1]))
    assert noted.remarks() == [Remark(0, "layer4", "weight 0", 3), Remark(2, "layer4", "weight 0", 1)]


def test_a_reason_that_is_not_counted_shows_no_number() -> None:
    assert [
        str(remark) for remark in RemarkCounts("layer4", "dead", torch.tensor([0, 1]), counted=False).remarks()
    ] == ["sample 1, layer4: dead"]


def test_warnings_are_sorted_by_sample_then_layer_and_otherwise_as_they_came() -> None:
    some = explanation(
        RemarkCounts("layer4", "b", torch.tensor([1, 1, 0])),
        RemarkCounts("layer4", "a", torch.tensor([1, 0, 0])),
        RemarkCounts("layer3", "c", torch.tensor([0, 2, 0])),
    )
    assert [(remark.sample, remark.layer, remark.reason) for remark in some.warnings] == [
        (0, "layer4", "b"),
        (0, "layer4", "a"),
        (1, "layer3", "c"),
        (1, "layer4", "b"),
    ]
    assert explanation().warnings == ()


def test_it_is_frozen_and_its_notes_stay_out_of_sight() -> None:
    some = explanation(RemarkCounts("layer4", "a", torch.tensor([1, 0, 0])))
    assert "noted" not in repr(some)
    with pytest.raises(dataclasses.FrozenInstanceError):
        some.label = "other"  # type: ignore[misc]


def test_a_method_that_ignores_the_target_says_so() -> None:
    model, x = seeded(Plain), images()
    explanations = xaikit.explain(
        model, x, ["gradcam", "ablationcam", "eigencam", "lafam", "center"], layers="conv2", target=2
    )
    assert {label: one.targeted for label, one in explanations.items()} == {
        "gradcam": True,
        "ablationcam": True,
        "eigencam": False,
        "lafam": False,
        "center": False,
    }
