"""What weighs masks where the target is a class, and where it has no probability; what fails there is not hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

import xaikit
from helpers.nets import Spec, distance
from helpers.requests import batch, explain_all, request_for
from xaikit import ConfigError
from xaikit.evidence.taps import Tap
from xaikit.explanation import Explanation
from xaikit.targets import PinnedClasses

METHODS: dict[str, dict[str, Any]] = {
    "groupcam": {"use": "groupcam", "groups": 3},
    "sess": {"use": "sess", "scales": 2},
}
both = pytest.mark.parametrize("use", METHODS)


def explained(use: str, target: Any) -> Explanation:
    net, x = Spec().build()
    return xaikit.explain(net, x, {use: METHODS[use]}, layers="features", target=target)[use]


class Failing(PinnedClasses):
    """A class whose probability cannot be had from this output."""

    def probabilities(self, output: Tensor) -> Tensor:
        raise ConfigError("planted: expected something else")

    def rows(self, index: Tensor) -> Failing:
        return Failing(self.indices[index])


@dataclass(frozen=True)
class Fails:
    def pin(self, output: Any, labels: Tensor | None) -> PinnedClasses:
        return Failing(torch.ones(len(output), 1, dtype=torch.long))


@both
def test_what_fails_on_the_way_is_not_taken_for_a_target_without_probabilities(use: str) -> None:
    net, x = Spec().build()
    options = {name: value for name, value in METHODS[use].items() if name != "use"}
    with pytest.raises(ConfigError, match=r"^planted: expected something else"):
        explain_all(net, batch(x), [request_for(use, [Tap("features")], Fails(), **options)])


@both
def test_a_function_weighs_by_its_scores_and_says_so(use: str) -> None:
    explanation = explained(use, lambda output: output[:, 1])
    assert {remark.reason for remark in explanation.warnings} >= {
        "this target has no probability: its scores weigh instead"
    }
    assert explanation.maps["features"].isfinite().all()


@both
def test_a_class_weighs_by_its_probability(use: str) -> None:
    """A function that is the logit explains by scores, one class by probabilities: the masks' weights are others."""
    of_class, of_function = explained(use, 1), explained(use, lambda output: output[:, 1])
    assert "this target has no probability: its scores weigh instead" not in {one.reason for one in of_class.warnings}
    assert distance(of_function.maps["features"], of_class.maps["features"]) > 1e-3
