"""Every method that was asked for, from one pass: counted, exact, and the model left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from helpers.hard_nets import (
    Branches,
    FrozenBackbone,
    Inference,
    NoGrad,
    Plain,
    Skip,
    Stochastic,
    TwoInputs,
    images,
    seeded,
    uncut,
)
from helpers.nets import Spec
from helpers.requests import (
    ALL,
    ONE_PASS,
    TAPS,
    Mean,
    Probe,
    assert_equal_maps,
    batch,
    explain_all,
    request_for,
    target,
)
from helpers.untouched import counted
from xaikit.engine import Request
from xaikit.engine.session import distinct
from xaikit.evidence.taps import Tap
from xaikit.explanation import Explanation
from xaikit.passes.tally import Tally


class TestCounts:
    @pytest.fixture
    def model(self) -> nn.Module:
        return seeded(Plain)

    def count(
        self, monkeypatch: pytest.MonkeyPatch, model: nn.Module, requests: Sequence[Request]
    ) -> tuple[int, int, int]:
        tally, counts = Tally(), counted(monkeypatch, model)
        explain_all(model, batch(images(), [2, 0]), requests, tally)
        assert (tally.forwards, tally.gradient_calls) == (counts["forwards"], counts["gradient calls"])
        return tally.forwards, tally.gradient_calls, tally.reruns

    def test_one_and_one_for_all_one_pass_methods_and_layers(
        self, monkeypatch: pytest.MonkeyPatch, model: nn.Module
    ) -> None:
        assert self.count(monkeypatch, model, [request_for(use) for use in ONE_PASS]) == (1, 1, 0)

    @pytest.mark.parametrize("taps", [TAPS[:1], TAPS])
    def test_smoothgradcampp_adds_its_n_however_many_layers(
        self, monkeypatch: pytest.MonkeyPatch, model: nn.Module, taps: tuple[Tap, ...]
    ) -> None:
        requests = [*(request_for(use) for use in ONE_PASS), request_for("smoothgradcampp", taps, n=3)]
        assert self.count(monkeypatch, model, requests) == (4, 4, 3)

    def test_a_target_of_its_own_costs_a_gradient_call(self, monkeypatch: pytest.MonkeyPatch, model: nn.Module) -> None:
        requests = [
            request_for("gradcam"),
            request_for("layercam", wanted=target("label")),
            request_for("xgradcam", wanted=target("label")),
        ]
        assert self.count(monkeypatch, model, requests) == (1, 2, 0)

    def test_equal_targets_cost_one(self, monkeypatch: pytest.MonkeyPatch, model: nn.Module) -> None:
        requests = [request_for(use, wanted=target("logit", index=1)) for use in ONE_PASS]
        assert self.count(monkeypatch, model, requests) == (1, 1, 0)

    def test_a_plural_target_costs_one_each(self, monkeypatch: pytest.MonkeyPatch, model: nn.Module) -> None:
        assert self.count(monkeypatch, model, [request_for(use, wanted=target(k=3)) for use in ONE_PASS]) == (1, 3, 0)

    def test_nothing_is_differentiated_for_nobody(self, monkeypatch: pytest.MonkeyPatch, model: nn.Module) -> None:
        request = request_for(Mean())
        assert self.count(monkeypatch, model, [request]) == (1, 0, 0)

    def test_a_trace_of_a_frozen_backbone_costs_one_pass_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.count(monkeypatch, seeded(FrozenBackbone), [request_for(use) for use in ONE_PASS])[0] == 2


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[Tap, ...]]] = {
    "plain": (Plain, TAPS),
    "in-place": (lambda: Plain(inplace=True), (*TAPS[:2], Tap("conv2", at="consumed"))),
    "stochastic": (Stochastic, (Tap("conv1"), Tap("norm"))),
    "no_grad": (NoGrad, TAPS),
    "inference_mode": (Inference, TAPS),
    "frozen backbone": (FrozenBackbone, TAPS),
    "branches": (Branches, (Tap("other"), Tap("conv1"), Tap("join"))),
    "skip": (Skip, TAPS[:2]),
}
CALLERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}


@pytest.mark.parametrize("net", NETS)
class TestTogetherEqualsAlone:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_methods_layers_and_targets(self, net: str, dtype: torch.dtype) -> None:
        build, taps = NETS[net]
        model, given = seeded(build, dtype).train(), batch(images(dtype=dtype), [2, 0])
        requests = [
            request_for(use, taps, target("label"), n=2) if "smooth" in use else request_for(use, taps) for use in ALL
        ]
        together = explain_all(model, given, requests)
        for request in requests:
            assert_equal_maps(together[request.label], explain_all(model, given, [request])[request.label])
        for tap in taps:
            alone = explain_all(model, given, [request_for("gradcam", [tap])])["gradcam"]
            assert torch.equal(together["gradcam"].maps[str(tap)], alone.maps[str(tap)])

    @pytest.mark.parametrize("caller", CALLERS)
    def test_whoever_calls(self, net: str, caller: str) -> None:
        build, taps = NETS[net]
        requests = [request_for(use, taps, target("label")) for use in ALL]
        expected = explain_all(seeded(build), batch(images(), [2, 0]), requests)
        with CALLERS[caller]():
            explanations = explain_all(seeded(build).requires_grad_(False), batch(images(), [2, 0]), requests)
        for label, explanation in explanations.items():
            assert_equal_maps(explanation, expected[label])

    def test_a_batch_is_its_samples(self, net: str) -> None:
        build, taps = NETS[net]
        model, x = seeded(build), images()
        requests = [request_for(use, taps) for use in ALL]
        together = explain_all(model, batch(x), requests)
        for row, name in enumerate("ab"):
            single = explain_all(model, batch(x[row : row + 1], ids=name), requests)
            for label, explanation in single.items():
                for layer, saliency in explanation.maps.items():
                    torch.testing.assert_close(saliency[0], together[label].maps[layer][row], rtol=1e-12, atol=1e-12)


def test_autocast_of_the_caller_reaches_the_model_and_ends_where_it_did() -> None:
    model, given = seeded(Plain, torch.float32), batch(images(dtype=torch.float32))
    with torch.autocast("cpu", torch.bfloat16):
        explanations = explain_all(model, given, [request_for(use) for use in ALL])
    for explanation in explanations.values():
        assert explanation.scores.dtype == torch.bfloat16
        assert all(bool(saliency.isfinite().all()) for saliency in explanation.maps.values())


class TestAgainstTheUncutGraph:
    """Grad-CAM's formula on evidence that xaikit had no hand in."""

    @staticmethod
    def gradcam(activation: Tensor, gradient: Tensor) -> Tensor:
        weights = gradient.mean(tuple(range(2, gradient.dim())), keepdim=True)
        return (weights * activation).sum(1)

    @pytest.mark.parametrize("dims", [1, 2, 3])
    def test_in_any_number_of_dimensions(self, dims: int) -> None:
        model, x = Spec(dims=dims).build()
        taps = [Tap("features.conv0"), Tap("features")]
        self.compare(
            model, x, taps, explain_all(model, batch(x, [2, 0]), [request_for("gradcam", taps, target("label"))])
        )

    def test_with_several_inputs(self) -> None:
        model, inputs = seeded(TwoInputs), {"extra": images(2, 5), "image": images()}
        given = batch({"image": inputs["image"], "extra": inputs["extra"]}, [2, 0])
        self.compare(
            model, inputs, TAPS[:2], explain_all(model, given, [request_for("gradcam", TAPS[:2], target("label"))])
        )

    def test_on_a_real_network_in_training(self) -> None:
        model, x = seeded(torchvision.models.resnet18).train(), images(2, 3, 48, 48)
        taps = [Tap("layer1"), Tap("layer4")]
        self.compare(
            model, x, taps, explain_all(model, batch(x, [2, 0]), [request_for("gradcam", taps, target("label"))])
        )

    def compare(self, model: nn.Module, inputs: Any, taps: Sequence[Tap], explanations: dict[str, Explanation]) -> None:
        _, activations, gradients = uncut(model, inputs, [str(tap) for tap in taps], [2, 0])
        for layer, saliency in explanations["gradcam"].maps.items():
            expected = self.gradcam(activations[layer], gradients[layer])
            assert bool(expected.any())
            torch.testing.assert_close(saliency, expected, rtol=1e-12, atol=1e-14)


class TestTargets:
    def test_two_labels_explain_their_own_class(self) -> None:
        model, given = seeded(Plain), batch(images(), [2, 0])
        first, second = target("logit", index=0), target("logit", index=1)
        both = explain_all(
            model, given, [request_for("gradcam", wanted=first), request_for("gradcam", wanted=second, label="other")]
        )
        assert not torch.equal(both["gradcam"].maps["conv1"], both["other"].maps["conv1"])
        assert_equal_maps(both["other"], explain_all(model, given, [request_for("gradcam", wanted=second)])["gradcam"])
        assert torch.equal(both["other"].scores, model(images())[:, 1].detach())

    @pytest.mark.parametrize("use", ALL)
    def test_a_plural_target_is_its_classes_one_by_one(self, use: str) -> None:
        model, given = seeded(Plain), batch(images())
        many = explain_all(model, given, [request_for(use, wanted=target("classes", of=(2, 0)))])[use]
        assert many.maps["conv1"].shape == (2, 2, 8, 7)
        for column, index in enumerate((2, 0)):
            one = explain_all(model, given, [request_for(use, wanted=target("logit", index=index))])[use]
            assert one.maps["conv1"].shape == (2, 8, 7)
            for layer, saliency in one.maps.items():
                torch.testing.assert_close(many.maps[layer][:, column], saliency, rtol=1e-12, atol=1e-12)

    def test_a_rerun_explains_the_class_of_the_clean_pass(self) -> None:
        model, x = seeded(Plain), images()
        top = model(x).argmax(1)
        assert not torch.equal(top, model(-9 * x).argmax(1))
        scores: list[Tensor] = []
        probe = Probe(lambda view: scores.append(view.retrace(-9 * view.inputs).scores))
        explain_all(model, batch(x), [request_for(probe, TAPS[:1])])
        assert torch.equal(scores[0], model(-9 * x).detach().gather(1, top.unsqueeze(1)))

    def test_labels_and_inputs_made_in_inference_mode_are_served(self) -> None:
        requests = [request_for(use, wanted=target("label")) for use in ALL]
        expected = explain_all(seeded(Plain), batch(images(), [2, 0]), requests)
        with torch.inference_mode():
            given = batch(images(), [2, 0])
        explanations = explain_all(seeded(Plain), given, requests)
        for label, explanation in explanations.items():
            assert_equal_maps(explanation, expected[label])

    def test_equal_targets_are_one_although_they_cannot_be_hashed(self) -> None:
        first, again, other = Listed([1]), Listed([1]), Listed([2])
        assert distinct([first, again, other]) == [first, other]


class TestRandomNumbers:
    def maps(self, **changed: Any) -> Tensor:
        given = {"ids": ("a", "b")} | {key: changed.pop(key) for key in ["ids"] if key in changed}
        request = request_for("smoothgradcampp", **({"label": "x"} | changed))
        return explain_all(seeded(Plain), batch(images(), **given), [request])[request.label].maps["conv1"]

    def test_the_same_seed_draws_the_same_whatever_the_label_and_the_layers(self) -> None:
        assert torch.equal(self.maps(), self.maps(label="y"))
        assert torch.equal(self.maps(), self.maps(taps=TAPS[:1]))

    def test_another_seed_sample_or_option_draws_other_numbers(self) -> None:
        assert not torch.equal(self.maps(), self.maps(seed=1))
        assert not torch.equal(self.maps(), self.maps(n=5))
        assert not torch.equal(self.maps()[1], self.maps(ids=("a", "c"))[1])
        assert torch.equal(self.maps()[0], self.maps(ids=("a", "c"))[0])


@dataclass(frozen=True)
class Listed:
    """A target whose options cannot be hashed."""

    of: list[int]
