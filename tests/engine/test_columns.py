"""Gradients of more targets than are in memory at once: a share of the targets a pass, and the maps of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Plain, images, seeded
from helpers.requests import TAPS, batch, explain_all, request_for, target
from xaikit.engine.columns import summed
from xaikit.evidence import observe
from xaikit.evidence.observe import columns_at_once
from xaikit.explanation import Explanation, RemarkCounts
from xaikit.needs import Needs
from xaikit.passes.tally import Tally
from xaikit.view import View

THREE = [0, 1, 2]
METHODS = {
    "gradcam": "gradcam",
    "gradcampp": "gradcampp",
    "eigencam": "eigencam",
    "scorecam": {"use": "scorecam", "top_channels": 3},
    "smoothgradcampp": {"use": "smoothgradcampp", "n": 2},
    "dff": {"use": "dff", "concepts": 2},
    "fullgrad": "fullgrad",
    "flipped": {"use": "gradcam", "augment": {"flip": True}},
    "shapleycam": "shapleycam",
}
TARGETS = {
    "classes": {"use": "classes", "of": [4, 0, 2, 1, 3]},
    "one of them": {"use": "logit", "index": 3},
    "top": {"use": "top", "k": 3},
    "all": {"use": "classes", "of": [0, 1, 2, 3, 4]},
}


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    ).double().eval()  # fmt: skip


def explained(model: nn.Module) -> Mapping[str, Explanation]:
    x = torch.rand(2, 3, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return {
        f"{label} of {name}": one
        for name, wanted in TARGETS.items()
        for label, one in xaikit.explain(model, x, METHODS, target=wanted, layers=["1", "3"]).items()
    }


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_a_share_of_the_targets_at_a_time_gives_the_maps_of_all(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    expected = explained(model)
    monkeypatch.setattr(observe, "columns_at_once", lambda size: columns)
    joined = explained(model)
    assert joined.keys() == expected.keys()
    for label, one in joined.items():
        other = expected[label]
        assert str(one.target) == str(other.target), label
        assert type(one.target) is type(other.target), label
        torch.testing.assert_close(one.scores, other.scores, equal_nan=True)
        torch.testing.assert_close(dict(one.maps), dict(other.maps))
        torch.testing.assert_close(dict(one.finished), dict(other.finished))
        torch.testing.assert_close(one.map, other.map)
        torch.testing.assert_close(one.numbers, other.numbers)
        assert set(map(str, one.warnings)) == set(map(str, other.warnings)), label


def test_the_budget_is_of_a_sample() -> None:
    assert columns_at_once(observe.GRADIENTS // 4) == 4
    assert columns_at_once(3 * observe.GRADIENTS) == 1
    assert columns_at_once(0) == observe.GRADIENTS


def test_every_share_costs_one_forward_and_no_gradient_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "columns_at_once", lambda size: 2)
    tally = Tally()
    explain_all(seeded(Plain), batch(images()), [request_for("gradcam", wanted=target("classes", of=THREE))], tally)
    assert (tally.forwards, tally.gradient_calls) == (2, 3)


@dataclass(frozen=True, eq=False)
class FailsAtItsSecondCall:
    """A method of which only the first share succeeds."""

    needs: ClassVar[Needs] = Needs(gradients=1)
    calls: ClassVar[list[int]] = []

    def explain(self, view: View) -> Tensor:
        self.calls.append(view.shape[1])
        if len(self.calls) > 1:
            raise ValueError("the second share")
        return view.gradients.sum(2)


def test_what_fails_in_one_share_has_failed_and_is_not_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "columns_at_once", lambda size: 1)
    FailsAtItsSecondCall.calls.clear()
    served = request_for("gradcam", TAPS[:1], target("classes", of=THREE))
    failing = request_for(FailsAtItsSecondCall(), TAPS[:1], target("classes", of=THREE))
    failures: list[str] = []
    explanations = explain_all(
        seeded(Plain), batch(images()), [served, failing], failed=lambda request, error: failures.append(request.label)
    )
    assert failures == ["mine"]
    assert FailsAtItsSecondCall.calls == [1, 1]
    assert explanations["gradcam"].scores.shape == (2, 3)
    assert explanations.keys() == {"gradcam"}


def test_counts_of_remarks_are_summed() -> None:
    notes = [RemarkCounts("1", "left out", torch.tensor([1, 0])), RemarkCounts("1", "left out", torch.tensor([2, 0]))]
    assert [str(each) for note in summed(notes) for each in note.remarks()] == ["sample 0, 1: left out (3)"]
