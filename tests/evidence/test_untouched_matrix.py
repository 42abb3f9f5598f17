"""Every model and call that is served, explained well and failing in four ways: all is as before after each.

Methods of one pass, of further passes and of replays; a fault comes in the first pass of one, in a further pass of the
others. It is planted in front of ``head``, behind all layers, before the kit looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.served_models import CASES, Case
from xaikit import Needs
from xaikit.evidence.conditions import unwrapped
from xaikit.view import View

COMBINATIONS = 25
ERRORS: list[type[BaseException]] = [RuntimeError, KeyboardInterrupt, torch.OutOfMemoryError]


@dataclass(frozen=True)
class Rescoring:
    """Activations weighed by what dimmer inputs score."""

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)

    def explain(self, view: View) -> Tensor:
        image = view.image.unsqueeze(1)
        variants = torch.cat([image, image / 2, image / 4], 1)
        return weighed(view, view.rescore(3, lambda part: variants[:, part]))


@dataclass(frozen=True)
class Replaying:
    """Activations weighed by what the halves of them score."""

    needs: ClassVar[Needs] = Needs(replays=True)

    def explain(self, view: View) -> Tensor:
        variants = torch.cat([view.activations, view.activations / 2, -view.activations], 1)
        return weighed(view, view.rescore_with(3, lambda part: variants[:, part]))


@dataclass(frozen=True)
class Curving:
    """The gradient times the Hessian."""

    needs: ClassVar[Needs] = Needs(gradients=2)

    def explain(self, view: View) -> Tensor:
        return (view.hvp(view.gradients) + view.gradients).sum(view.channel)


def weighed(view: View, scores: Tensor) -> Tensor:
    """(N, T, m) scores on (N, 1, C, *S) activations, as (N, T, *S)."""
    weights = scores.sum(2).to(view.activations).reshape(*scores.shape[:2], *(1 for _ in view.space))
    return weights * view.activations.mean(view.channel)


METHODS: dict[str, Any] = {
    "gradcam": None,
    "smoothgradcampp": {"use": "smoothgradcampp", "n": 3},
    "rescoring": Rescoring(),
    "replaying": Replaying(),
    "hessian": Curving(),
}


class Fault:
    """A pre-hook that raises at its n-th call and ever after; it counts its calls where n is 0."""

    def __init__(self, error: type[BaseException], at: int) -> None:
        self.error, self.at, self.calls = error, at, 0

    def __call__(self, module: nn.Module, args: Any) -> None:
        self.calls += 1
        if 0 < self.at <= self.calls:
            raise self.error("planted")


def planted(case: Case, error: type[BaseException] = RuntimeError, at: int = 0) -> tuple[Any, Fault]:
    model, fault = case.model(), Fault(error, at)
    unwrapped(model).head.register_forward_pre_hook(fault)
    return model, fault


def passes(case: Case, method: str) -> int:
    """How often the head runs for a method."""
    model, fault = planted(case)
    case.explain(model, {method: METHODS[method]})
    return fault.calls


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
class TestMatrix:
    def test_well(self, name: str, method: str) -> None:
        case = CASES[name]
        with case.world():
            explanation = case.explain(case.model(), {method: METHODS[method]})[method]
        assert explanation.map is not None
        assert bool(explanation.map.isfinite().all())
        assert all(bool(saliency.any()) for saliency in explanation.maps.values())

    def test_a_bad_target(self, name: str, method: str) -> None:
        case = CASES[name]
        with case.world(), pytest.raises(xaikit.ConfigError, match="target"):
            case.explain(case.model(), {method: METHODS[method]}, 99)

    @pytest.mark.parametrize("error", ERRORS)
    def test_a_fault(self, name: str, method: str, error: type[BaseException]) -> None:
        case = CASES[name]
        with case.world():
            first = passes(case, "gradcam")
            at = first if method == "gradcam" else first + 1
            assert method == "gradcam" or passes(case, method) >= at
            model, fault = planted(case, error, at)
            with pytest.raises(error, match=r"^planted") as caught:
                case.explain(model, {method: METHODS[method]})
        assert type(caught.value) is error
        assert fault.calls >= at


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", CASES)
def test_the_very_first_pass_fails(name: str, error: type[BaseException]) -> None:
    case = CASES[name]
    with case.world():
        model, _ = planted(case, error, 1)
        with pytest.raises(error, match=r"^planted"):
            case.explain(model, ["gradcam", "layercam", "scorecam", "ablationcam"])


def test_there_are_as_many_combinations_as_expected() -> None:
    assert len(CASES) >= COMBINATIONS
