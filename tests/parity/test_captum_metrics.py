"""Infidelity and max-sensitivity beside Captum's, on the very photographs that ours were measured on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from captum.attr import InputXGradient, LayerAttribution, LayerGradCam, Saliency
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor, nn

from xaikit.evaluation.judged import judged, maps_of
from xaikit.registry import Registry
from xaikit_metrics.infidelity import Infidelity
from xaikit_metrics.maxsensitivity import MaxSensitivity

DRAWS, CLASS = 12, 2


def net() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)]
        return nn.Sequential(nn.Conv2d(2, 5, 3), nn.Softplus(), nn.Conv2d(5, 5, 3), nn.Softplus(), *tail).double()


def image() -> Tensor:
    return torch.rand(1, 2, 9, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@contextmanager
def seen_by(model: nn.Module) -> Iterator[list[Tensor]]:
    """Every input that a model is run on, one by one."""
    inputs: list[Tensor] = []
    handle = model.register_forward_pre_hook(lambda module, args: inputs.extend(args[0].detach().clone().split(1)))
    yield inputs
    handle.remove()


def further(inputs: list[Tensor], clean: Tensor) -> Tensor:
    """Those that are not the photograph itself, each once."""
    others = torch.cat(inputs)
    moved = (others - clean).flatten(1).abs().amax(1) > 1e-12
    return torch.unique(others[moved], dim=0)


def handed(variants: Tensor, clean: Tensor) -> Any:
    """What Captum perturbs by: what is missing of each variant, and the variant."""
    return lambda *args: (clean - variants, variants)


@pytest.mark.parametrize("scaled", [True, False])
def test_infidelity_is_captums_where_its_attribution_is_a_gradient(scaled: bool) -> None:
    model, clean = net(), image()
    contributions = InputXGradient(model).attribute(clean.clone().requires_grad_(), target=CLASS).detach().sum(1)
    metric = Infidelity(shares=(0.5,), draws=DRAWS, block=1, imputer="zero", scored="logit", scaled=scaled)
    with seen_by(model) as inputs:
        (ours,) = judged(metric, model, clean, contributions, classes=[CLASS])
    variants = further(inputs, clean)
    assert len(variants) == DRAWS
    gradient = Saliency(model).attribute(clean.clone().requires_grad_(), target=CLASS, abs=False).detach()
    theirs = infidelity(
        model, handed(variants, clean), clean, gradient, target=CLASS, n_perturb_samples=DRAWS, normalize=scaled
    )
    assert ours.value == pytest.approx(float(theirs), rel=1e-9)


def test_of_a_contribution_captum_takes_the_input_once_more() -> None:
    """Here a map says what each place contributes, as it does for sensitivity-n; Captum multiplies what it is given by what is
    missing of the input, so that a map of contributions must be divided by the input for it."""
    model, clean = net(), image()
    contributions = InputXGradient(model).attribute(clean.clone().requires_grad_(), target=CLASS).detach()
    metric = Infidelity(shares=(0.5,), draws=DRAWS, block=1, imputer="zero", scored="logit", scaled=False)
    with seen_by(model) as inputs:
        (ours,) = judged(metric, model, clean, contributions.sum(1), classes=[CLASS])
    variants = further(inputs, clean)

    def theirs(attribution: Tensor) -> float:
        return float(
            infidelity(model, handed(variants, clean), clean, attribution, target=CLASS, n_perturb_samples=DRAWS)
        )

    assert ours.value == pytest.approx(theirs(contributions / clean), rel=1e-9)
    assert ours.value != pytest.approx(theirs(contributions), rel=1e-3)


def test_max_sensitivity_is_captums_on_the_same_noise() -> None:
    model, clean = net(), image()
    method = Registry().find("method", "gradcam").cls()
    maps = maps_of(method, "3", model, clean, classes=[CLASS])
    with seen_by(model) as inputs:
        (ours,) = judged(MaxSensitivity(draws=DRAWS), model, clean, maps, classes=[CLASS], method=method, layer="3")
    variants = further(inputs, clean)
    assert len(variants) == DRAWS
    peer = LayerGradCam(model, model[3])

    def explained(x: Any, **options: Any) -> tuple[Tensor]:
        (x,) = x if isinstance(x, tuple) else (x,)
        maps = peer.attribute(x, target=CLASS, relu_attributions=False).detach()
        return (
            LayerAttribution.interpolate(maps, (9, 8), "bilinear"),
        )  # a tensor would be taken for a tuple of its rows

    theirs = sensitivity_max(explained, clean, lambda *args: variants, n_perturb_samples=DRAWS)
    assert ours.value == pytest.approx(float(theirs), rel=1e-6)


def test_captums_noise_is_in_units_of_the_input() -> None:
    """Ours is in units of the photograph's range, so that a photograph that is ten times as bright is moved ten times as far."""
    model = net()
    method = Registry().find("method", "gradcam").cls()

    def reach(factor: float) -> Tensor:
        clean = factor * image()
        maps = maps_of(method, "3", model, clean, classes=[CLASS])
        with seen_by(model) as inputs:
            judged(MaxSensitivity(draws=DRAWS), model, clean, maps, classes=[CLASS], method=method, layer="3")
        return (further(inputs, clean) - clean).abs().max()

    assert float(reach(10.0) / reach(1.0)) == pytest.approx(10, rel=1e-6)
