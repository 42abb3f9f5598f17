"""The adapter of Quantus: its numbers are those of Quantus called by hand, and nothing of the process is touched."""

from __future__ import annotations

import importlib.util
import math
import random
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xaikit import ConfigError, Needs
from xaikit.config import load
from xaikit.evaluation.judged import judged, maps_of
from xaikit.registry import Registry
from xaikit.testing import Check, metric_checks
from xaikit.view import View

needs_quantus = pytest.mark.skipif(
    importlib.util.find_spec("quantus") is None, reason="Quantus is not installed: pip install 'xaikit[quantus]'"
)


def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
        ).eval()


def images() -> Tensor:
    return torch.rand(3, 3, 12, 12, generator=torch.Generator().manual_seed(1))


@dataclass(frozen=True)
class Squared:
    """Quantus refuses maps that are negative everywhere."""

    needs: ClassVar[Needs] = Needs(gradients=1)

    def explain(self, view: View) -> Tensor:
        return (view.gradients * view.activations).sum(view.channel).square()


def gradcam() -> Any:
    return Registry().find("method", "gradcam").cls()


def adapter(metric: str, **options: Any) -> Any:
    from xaikit_metrics.quantus import Quantus

    return Quantus(metric, options)


def by_hand(metric: str, model: nn.Module, x: Tensor, maps: Tensor, label: int, **options: Any) -> Any:
    import quantus

    one = getattr(quantus, metric)(disable_warnings=True, display_progressbar=False, **options)
    return one(
        model=model,
        x_batch=x.numpy(),
        y_batch=np.full(len(x), label),
        a_batch=maps.unsqueeze(1).numpy(),
        s_batch=None,
        channel_first=True,
        explain_func=None,
        softmax=True,
        device="cpu",
    )


@needs_quantus
@pytest.mark.parametrize(
    ("metric", "options"), [("PixelFlipping", {"features_in_step": 12}), ("Sparseness", {}), ("Complexity", {})]
)
def test_a_number_is_that_of_quantus(metric: str, options: dict[str, Any]) -> None:
    model, x = net(), images()
    maps = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(2))
    measures = judged(adapter(metric, **options), model, x, maps, classes=[1] * 3, method=gradcam(), layer="1")
    for row, measure in enumerate(measures):
        expected = np.asarray(by_hand(metric, model, x[[row]], maps[[row]], 1, **options), dtype=float).ravel()
        assert measure.value == pytest.approx(expected.mean(), rel=1e-5)
        if len(expected) > 1:
            assert measure.numbers is not None
            assert measure.numbers["curve"] == pytest.approx(expected.tolist(), rel=1e-5)


@needs_quantus
def test_what_quantus_explains_again_is_explained_by_the_same_method() -> None:
    model, x = net(), images()
    maps = maps_of(Squared(), "1", model, x, [1] * 3)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    for metric, options in (
        ("MaxSensitivity", {"nr_samples": 2}),
        ("RandomLogit", {"num_classes": 3}),
        ("MPRT", {"return_average_correlation": True}),
        ("EfficientMPRT", {}),
    ):
        one = adapter(metric, **options)
        values, again = (
            [each.value for each in judged(one, model, x, maps, classes=[1] * 3, method=Squared(), layer="1")]
            for _ in range(2)
        )
        assert all(map(math.isfinite, values)), metric
        assert values == again
        # by another model or for another class the map is another
        assert metric == "MaxSensitivity" or max(values) < 0.999
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())


@needs_quantus
def test_it_says_what_quantus_says_of_its_metrics() -> None:
    assert adapter("Sparseness").higher_is_better
    assert not adapter("PixelFlipping").higher_is_better
    assert adapter("Completeness").family == "axioms"
    assert adapter("MaxSensitivity", nr_samples=7).explanations == 7
    with pytest.raises(ValueError, match=r"metric: expected the name of a metric of Quantus, .*got 'PixelFliping'"):
        adapter("PixelFliping").family  # noqa: B018


@needs_quantus
def test_what_quantus_refuses_has_its_reason() -> None:
    maps = torch.ones(3, 12, 12)
    for measure in judged(adapter("Sparseness"), net(), images(), maps, classes=[0] * 3, method=gradcam(), layer="1"):
        assert math.isnan(measure.value)
        assert measure.reason.startswith("Quantus: The elements in the attribution vector are all equal")


@needs_quantus
@pytest.mark.parametrize("check", metric_checks("quantus"), ids=str)
def test_it_keeps_the_contract(check: Check) -> None:
    check()


def test_without_quantus_a_config_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quantus", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    config = {
        "version": 1,
        "model": {"source": "samples"},
        "data": {"source": "samples"},
        "methods": ["gradcam"],
        "metrics": {"flip": {"use": "quantus", "metric": "PixelFlipping"}},
    }
    with pytest.raises(
        ConfigError, match=r"metrics\.flip: needs Quantus; install it by: pip install 'xaikit\[quantus\]'"
    ):
        load(config)
