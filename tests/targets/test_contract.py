"""Faults that the contract kit finds in targets whose output is no row of logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from xaikit.testing import CheckFailed, target_checks
from xaikit_targets.box import Box
from xaikit_targets.region import Region


@dataclass(frozen=True)
class Scored:
    """A function in place of what was pinned."""

    function: Callable[[Any], Tensor]
    plural: bool = False

    def scores(self, output: Any) -> Tensor:
        return self.function(output)


def faulty(example: Callable[[int], Any], score: Callable[[Any], Tensor]) -> type:
    members = {
        "__doc__": "A target.",
        "example_output": staticmethod(example),
        "pin": lambda self, output, labels: Scored(score),
    }
    return dataclass(frozen=True)(type("Faulty", (), members))


def best(output: Any) -> Tensor:
    return torch.stack([one["scores"].max() for one in output]).unsqueeze(1)


def predicted(output: Tensor) -> Tensor:
    mask = output.argmax(1) == 1
    return (output[:, 1] * mask).sum((1, 2)).unsqueeze(1)


FAULTS: dict[str, tuple[Callable[[int], Any], Callable[[Any], Tensor], str]] = {
    "the best detection of every pass": (Box.example_output, best, "what_is_pinned_stays"),
    "the pixels predicted on every pass": (Region.example_output, predicted, "what_is_pinned_stays"),
    "detections without a graph": (
        Box.example_output,
        lambda output: torch.stack([one["scores"][:1].detach() for one in output]),
        "scores_are_differentiable",
    ),
    "detections of the other samples": (
        Box.example_output,
        lambda output: torch.stack([one["scores"][:1] + output[0]["scores"][0] for one in output]),
        "samples_are_scored_alone",
    ),
    "no detection kept as it is": (
        Box.example_output,
        lambda output: torch.stack([one["scores"].mul_(2)[:1] for one in output]),
        "nothing_is_changed",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_in_another_output(fault: str) -> None:
    example, score, name = FAULTS[fault]
    (check,) = [check for check in target_checks(faulty(example, score)) if check.name == name]
    with pytest.raises(CheckFailed, match=rf"^{name}: "):
        check()
