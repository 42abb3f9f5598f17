"""The kit has teeth: each planted fault is found by the check that is there for it, and nothing sound is bitten."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import faulty_methods
from helpers.faulty_methods import PLANTS, TRAITS, Sound
from xaikit import ConfigError, Needs
from xaikit.ops import weigh
from xaikit.registry import Registry
from xaikit.testing import Check, CheckFailed, method_checks
from xaikit.view import View


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Some of the faults touch the process."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    yield
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])
    faulty_methods.KEPT.clear()


def check(checks: list[Check], name: str) -> Check:
    (named,) = [one for one in checks if one.name == name]
    return named


def test_there_are_twenty_faults_and_more() -> None:
    assert len(PLANTS) >= 20


@pytest.mark.parametrize("fault", PLANTS)
def test_a_planted_fault_is_found_by_its_check(fault: str) -> None:
    cls, name = PLANTS[fault]
    with pytest.raises(CheckFailed, match=rf"^{name}: .*\n  again: xaikit check {fault} --only {name}$") as caught:
        check(method_checks(cls), name)()
    assert "expected" in str(caught.value) or "needs" in str(caught.value) or "trait" in str(caught.value)


@pytest.mark.parametrize("one", method_checks(Sound), ids=str)
def test_nothing_sound_is_bitten(one: Check) -> None:
    one()


def test_grad_campp_is_not_scale_free_whatever_it_says() -> None:
    cls = Registry().find("method", "gradcampp").cls
    claiming = type("Claiming", (cls,), {"traits": cls.traits | {"scale_free"}})
    check(method_checks(cls), "trait_scale_free")()
    with pytest.raises(CheckFailed, match=r"trait_scale_free: .*y and 10 y, normalized: expected a difference"):
        check(method_checks(claiming), "trait_scale_free")()


# --- options


@dataclass(frozen=True)
class Deaf(Sound):
    """L = sum_k mean(g_k) A_k; listens to none of its options."""

    power: float = 1.0


@dataclass(frozen=True)
class Unspeakable(Sound):
    """L = sum_k mean(g_k) A_k; has an option that no YAML can say."""

    of: Callable[[Tensor], Tensor] = torch.relu


def test_an_option_that_changes_nothing_is_found() -> None:
    with pytest.raises(CheckFailed, match="option power: expected it to change the map"):
        check(method_checks(Deaf), "every_option_changes_something")()


def test_an_option_that_yaml_cannot_say_is_found() -> None:
    with pytest.raises(CheckFailed, match="options_survive_yaml"):
        check(method_checks(Unspeakable), "options_survive_yaml")()


# --- variants


@dataclass(frozen=True)
class Dimmed(Sound):
    """L = sum_n y(x / n)^p mean_k(A_k), n up to a count; says truly, or not, what its variants depend on."""

    power: float = 1.0
    count: int = 2
    shift: float = 0.0
    say: ClassVar[Callable[[Any], Any]] = lambda self: (self.count, self.shift)
    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)

    def variants(self) -> Any:
        return type(self).say(self)

    def explain(self, view: View) -> Tensor:
        image = view.image.unsqueeze(1)
        dimmer = torch.cat([image / (place + 1) + self.shift for place in range(self.count)], 1)
        scores = view.rescore(self.count, lambda part: dimmer[:, part]).pow(self.power).sum(2)
        return scores.reshape(*scores.shape, *[1] * len(view.space)) * view.activations.mean(view.channel)


@dataclass(frozen=True)
class Declared(Sound):
    """L = sum_k mean(g_k) A_k; declares variants and asks for none."""

    def variants(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("say", "message"),
    [
        (lambda self: (self.count, self.shift), ""),
        (lambda self: None, ""),
        (lambda self: self.count, r"whose variants\(\) are equal, to ask for the same variants in call 1"),
        (lambda self: self.shift, "in call 1"),
        (lambda self: [self.count], "expected a hashable value"),
    ],
)
def test_equal_variants_are_held_against_the_variants_of_the_calls(say: Any, message: str) -> None:
    one = check(method_checks(type("Dimmed", (Dimmed,), {"say": say})), "equal_variants_are_equal")
    if not message:
        one()
        return
    with pytest.raises(CheckFailed, match=message):
        one()


def test_variants_that_nobody_asks_for_are_found() -> None:
    with pytest.raises(CheckFailed, match=r"view\.rescore is never asked for any; leave it out"):
        check(method_checks(Declared), "equal_variants_are_equal")()


# --- formulas, which only a reference knows


def gradcampp(a: Tensor, g: Tensor) -> Tensor:
    """alpha = g^2 / (2 g^2 + g^3 sum A), by loops."""
    saliency = torch.zeros(a.shape[1:], dtype=a.dtype)
    for k in range(len(a)):
        weight = 0.0
        for place in torch.cartesian_prod(*(torch.arange(side) for side in a.shape[1:])).reshape(-1, a.dim() - 1):
            slope = float(g[k][tuple(place)])
            denominator = 2 * slope**2 + slope**3 * float(a[k].sum())
            weight += slope**2 / denominator * slope if slope > 0 and denominator >= 1e-3 * slope**2 else 0.0
        saliency += weight * a[k]
    return saliency


@dataclass(frozen=True)
class GradCAMpp(Sound):
    """alpha = g^2 / (2 g^2 + g^3 sum A); right, or with one of two faults of the field."""

    fault: ClassVar[str] = ""

    def explain(self, view: View) -> Tensor:
        g, total = view.gradients, view.activations.sum(view.space, keepdim=True)
        if self.fault == "sum":
            total, cubed = (view.activations * g.pow(3)).sum(view.space, keepdim=True), 1
        else:
            cubed = g.pow(3)
        alpha, live = g.square(), g > 0
        denominator = 2 * g.square() + total * cubed
        live &= denominator >= 1e-3 * g.square()
        if self.fault == "copy":
            alpha[live].div_(denominator[live])  # divides a copy
        else:
            alpha = torch.where(live, alpha / denominator, 0)
        return weigh((alpha * g.clamp_min(0)).sum(view.space), view)


@pytest.mark.parametrize(("fault", "is_faulty"), [("", False), ("copy", True), ("sum", True)])
def test_a_formula_is_held_against_its_reference(fault: str, is_faulty: bool) -> None:
    cls = type("Faulty", (GradCAMpp,), {"fault": fault})
    one = check(method_checks(cls, reference=gradcampp), "equals_its_reference")
    if not is_faulty:
        one()
        return
    with pytest.raises(CheckFailed, match="class 0: expected a difference"):
        one()


@dataclass(frozen=True)
class Smoothed(Sound):
    """L = sum_k mean_n(mean(g_k)) A_k, over noisy inputs; right, or with the last noisy pass in the map."""

    fault: ClassVar[str] = ""
    needs: ClassVar[Needs] = Needs(gradients=1, inputs=True, reruns=True)
    traits: ClassVar[frozenset[str]] = TRAITS - {"deterministic"}

    def explain(self, view: View) -> Tensor:
        noisy = [view.retrace(view.image + 0.3 * view.generator.normal(*view.image.shape[1:])) for _ in range(2)]
        mean = sum(one.gradients.mean(one.space) for one in noisy) / 2
        if self.fault == "last gradient":
            mean = noisy[-1].gradients.mean(view.space)
        return weigh(mean, noisy[-1] if self.fault == "last activations" else view)


def smoothed(view: View) -> Tensor:
    """The same, said slowly: the same numbers in the same order."""
    means: list[Any] = []
    for _ in range(2):
        noise = view.generator.normal(*view.image.shape[1:])
        means.append(view.retrace(view.image + 0.3 * noise).gradients)
    weights = (means[0] + means[1]).flatten(3).mean(3) / 2
    return torch.einsum("ntc,nc...->nt...", weights, view.activations[:, 0])


@pytest.mark.parametrize("fault", ["", "last gradient", "last activations"])
def test_a_method_with_further_passes_is_held_against_one_that_sees_the_same_view(fault: str) -> None:
    one = check(
        method_checks(type("Smoothed", (Smoothed,), {"fault": fault}), reference=smoothed), "equals_its_reference"
    )
    if not fault:
        one()
        return
    with pytest.raises(CheckFailed, match="expected a difference of at most"):
        one()


@dataclass(frozen=True)
class Aliased(Sound):
    """L = sum_k mean(g_k) A_k, with activations from a hook of its own, which an in-place ReLU has changed since."""

    needs: ClassVar[Needs] = Needs(gradients=1, inputs=True, module=True)

    def explain(self, view: View) -> Tensor:
        outputs: list[Tensor] = []
        module = view.module.get_submodule(view.layer)
        handle = module.register_forward_hook(lambda *call: outputs.append(call[2]))
        view.module(view.inputs)
        handle.remove()
        if outputs[0].dim() != len(view.shape):
            raise ConfigError("expected a map, got tokens")
        return torch.einsum("ntc,nc...->nt...", view.gradients.flatten(3).mean(3), outputs[0])


def gradcam(a: Tensor, g: Tensor) -> Tensor:
    return (g.flatten(1).mean(1) @ a.flatten(1)).view(a.shape[1:])


def test_an_alias_through_an_operation_in_place_is_found() -> None:
    with pytest.raises(CheckFailed, match="on signed activations before a ReLU, class 0: expected a difference"):
        check(method_checks(Aliased, reference=gradcam), "equals_its_reference")()
