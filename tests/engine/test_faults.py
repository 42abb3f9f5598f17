"""What the engine says when a method, target or model fails, and what comes back when none does."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Beside, Plain, Raising, Stochastic, images, seeded
from helpers.requests import (
    ALL,
    TAPS,
    Mean,
    Probe,
    Returning,
    Sneak,
    assert_equal_maps,
    batch,
    explain_all,
    request_for,
    target,
)
from xaikit.engine import Request, explain
from xaikit.errors import ConfigError, Disconnected, PluginContract, UndeclaredNeed
from xaikit.explanation import Explanation
from xaikit.finish import Finish
from xaikit.view import View


class TestFaults:
    """The model is as before after each, and the exception says where it came from."""

    def fail(self, method: Any, error: type[BaseException], match: str | None = None) -> list[str]:
        model = seeded(Stochastic).train()
        request = request_for(method, TAPS[:2])
        with pytest.raises(error, match=match) as caught:
            explain_all(model, batch(images()), [request_for("gradcam", TAPS[:2]), request])
        return getattr(caught.value, "__notes__", [])

    @staticmethod
    def raising(error: BaseException) -> Callable[[View], Any]:
        def look(view: View) -> Any:
            if view.layer == "conv2":
                raise error

        return look

    def test_a_method_that_raises_is_named_with_its_layer(self) -> None:
        notes = self.fail(Probe(self.raising(ZeroDivisionError("oh"))), ZeroDivisionError, "oh")
        assert notes == ["while explaining 'mine' at layer conv2"]

    def test_an_interrupt_comes_through_as_it_is(self) -> None:
        assert self.fail(Probe(self.raising(KeyboardInterrupt())), KeyboardInterrupt) == []

    @pytest.mark.parametrize(
        ("read", "named"),
        [
            (lambda view: view.gradients, "view.gradients was read but not declared: needs = Needs(gradients=1)"),
            (lambda view: view.inputs, "view.inputs was read but not declared: needs = Needs(inputs=True)"),
            (lambda view: view.module, "view.module was read but not declared: needs = Needs(module=True)"),
            (lambda view: view.retrace(images()), "view.retrace was read but not declared: needs = Needs(reruns=True)"),
        ],
    )
    def test_undeclared_evidence(self, read: Callable[[View], Any], named: str) -> None:
        model = seeded(Plain)
        request = request_for(Sneak(read))
        with pytest.raises(UndeclaredNeed) as caught:
            explain_all(model, batch(images()), [request_for("gradcam"), request])
        assert str(caught.value) == named
        assert caught.value.__notes__ == ["while explaining 'mine' at layer conv1"]

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            (None, r"explain: expected a tensor, got NoneType"),
            (torch.zeros(2, 1, 8, 6), r"expected a map of shape \(2, 1, 8, 7\), got \(2, 1, 8, 6\)"),
            (torch.zeros(2, 8, 7), r"expected a map of shape \(2, 1, 8, 7\), got \(2, 8, 7\)"),
            (torch.zeros(2, 1, 8, 7, dtype=torch.complex64), r"expected a map of real numbers, got torch\.complex64"),
        ],
    )
    def test_a_map_of_the_wrong_shape(self, returned: Any, message: str) -> None:
        assert self.fail(Returning(returned), PluginContract, message) == ["while explaining 'mine' at layer conv1"]

    @pytest.mark.parametrize("needs", [{"gradients": 1}, property(lambda self: None)])
    def test_needs_that_are_none(self, needs: Any) -> None:
        method = dataclass(frozen=True)(type("Mine", (), {"needs": needs, "explain": Mean.explain}))
        with pytest.raises(PluginContract, match=r"Mine\.needs: expected Needs\(\.\.\.\), got "):
            xaikit.explain(seeded(Plain), images(), {"mine": method()}, layers="conv1")

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            (target("label"), "the data has no labels"),
            (target("logit", index=7), "expected a class index in 0 ... 2, got 7"),
            (target(k=9), "expected k of at most 3 classes, got 9"),
        ],
    )
    def test_a_bad_target(self, wanted: Any, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            explain_all(seeded(Stochastic).train(), batch(images()), [request_for("gradcam", TAPS[:1], wanted)])

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
    def test_a_model_that_raises(self, error: type[BaseException]) -> None:
        with pytest.raises(error, match="on the way"):
            explain_all(seeded(lambda: Raising(error)).train(), batch(images()), [request_for("gradcam", TAPS[:1])])

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_a_model_that_raises_in_a_rerun(self, error: type[BaseException]) -> None:
        class Second(Plain):
            def features(self, x: Tensor) -> Tensor:
                if not torch.equal(x, images()):
                    raise error("on the way")
                return super().features(x)

        with pytest.raises(error, match="on the way"):
            explain_all(seeded(Second).train(), batch(images()), [request_for("smoothgradcampp")])

    def test_a_layer_beside_the_way(self) -> None:
        with pytest.raises(Disconnected, match="layer conv2"):
            explain_all(seeded(Beside).train(), batch(images()), [request_for("gradcam", TAPS[:2])])


class TestHandedOver:
    """With ``failed`` what one request raises stops no other."""

    @staticmethod
    def explained(
        requests: list[Request], model: nn.Module | None = None
    ) -> tuple[dict[str, Explanation], dict[str, Exception]]:
        failed: dict[str, Exception] = {}

        def note(request: Request, error: Exception) -> None:
            failed[request.label] = error

        return explain_all(model or seeded(Plain), batch(images(), [2, 0]), requests, failed=note), failed

    @pytest.mark.parametrize("error", [ZeroDivisionError("oh"), torch.OutOfMemoryError("no room"), MemoryError()])
    def test_a_method_that_raises(self, error: Exception) -> None:
        guilty = request_for(Probe(TestFaults.raising(error)), TAPS[:2])
        requests = [request_for("gradcam"), guilty, request_for("scorecam")]
        explanations, failed = self.explained(requests)
        assert failed == {"mine": error}
        assert failed["mine"].__notes__ == ["while explaining 'mine' at layer conv2"]
        assert list(explanations) == ["gradcam", "scorecam"]
        for label, expected in explain_all(seeded(Plain), batch(images()), requests[::2]).items():
            assert_equal_maps(explanations[label], expected)

    def test_only_the_guilty_one_of_those_that_are_answered_together(self) -> None:
        second = seeded(Plain)(images()).detach()[:, 1:2]

        def look(view: View) -> None:
            if view.layer == "conv2" and bool((view.scores == second).all(0).any()):
                raise ZeroDivisionError("not that class there")

        fine = request_for(Probe(look), TAPS[:2], target("logit", index=0))
        guilty = replace(fine, label="guilty", target=target("logit", index=1))
        elsewhere = replace(guilty, label="elsewhere", taps=TAPS[:1])
        explanations, failed = self.explained([fine, guilty, elsewhere])
        assert list(failed) == ["guilty"]
        assert failed["guilty"].__notes__ == ["while explaining 'guilty' at layer conv2"]
        assert list(explanations) == ["mine", "elsewhere"]
        for request in (fine, elsewhere):
            alone = explain_all(seeded(Plain), batch(images()), [request])[request.label]
            assert_equal_maps(explanations[request.label], alone)
            assert explanations[request.label].warnings == ()

    def test_a_finish_that_raises_fails_its_own_label(self) -> None:
        @dataclass(frozen=True)
        class Broken:
            signed: ClassVar[bool] = False
            drops_negative: ClassVar[bool] = True

            def rectify(self, saliency: Tensor) -> Tensor:
                raise ZeroDivisionError("oh")

        fine = request_for("scorecam", TAPS[:1])
        explanations, failed = self.explained([replace(fine, label="broken", finish=Finish(rectify=Broken())), fine])
        assert (list(explanations), list(failed)) == (["scorecam"], ["broken"])

    def test_a_model_that_raises_in_a_rerun(self) -> None:
        class Second(Plain):
            def features(self, x: Tensor) -> Tensor:
                if not torch.equal(x, images()):
                    raise RuntimeError("on the way")
                return super().features(x)

        explanations, failed = self.explained([request_for("smoothgradcampp"), request_for("gradcam")], seeded(Second))
        assert (list(explanations), list(failed)) == (["gradcam"], ["smoothgradcampp"])

    def test_an_interrupt_is_handed_to_nobody(self) -> None:
        guilty = request_for(Probe(TestFaults.raising(KeyboardInterrupt())), TAPS[:2])
        for requests in ([guilty], [guilty, replace(guilty, label="other", target=target("logit", index=1))]):
            with pytest.raises(KeyboardInterrupt):
                self.explained(requests)

    def test_what_the_shared_pass_raises_is_raised(self) -> None:
        with pytest.raises(Disconnected):
            self.explained([request_for("gradcam", TAPS[:2])], seeded(Beside))
        with pytest.raises(ConfigError, match="got 7"):
            self.explained([request_for("gradcam", wanted=target("logit", index=7)), request_for("layercam")])

    def test_nothing_of_what_failed_is_kept(self) -> None:
        def look(view: View) -> None:
            raise ZeroDivisionError("oh")

        guilty = request_for(Probe(look), TAPS[:2])
        requests = [guilty, replace(guilty, label="other", target=target("logit", index=1)), request_for("gradcam")]

        def live() -> int:
            self.explained(requests)
            gc.collect()
            return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

        assert live() == live()


class TestWhatComesBack:
    def test_a_method_sees_the_model_and_the_inputs_themselves(self) -> None:
        model, x = seeded(Plain), images()
        views: list[Any] = []
        probe = Probe(lambda view: views.append((view.module, view.inputs, view.layer)))
        explain_all(model, batch(x), [request_for(probe, TAPS[:1])])
        assert views == [(model, x, "conv1")]

    def test_without_stages_a_map_is_as_the_method_made_it(self) -> None:
        explanation = explain_all(seeded(Plain), batch(images()), [request_for("gradcam")])["gradcam"]
        assert explanation.map is None
        assert list(explanation.finished) == ["conv1", "conv2", "act2"]
        assert all(torch.equal(explanation.finished[layer], raw) for layer, raw in explanation.maps.items())
        assert explanation.strides == dict.fromkeys(("conv1", "conv2", "act2"), 1.0)
        assert not explanation.maps["conv1"].requires_grad

    def test_a_map_that_holds_for_all_targets_is_given_for_each(self) -> None:
        request = request_for(Mean(), wanted=target(k=3))
        explanation = explain_all(seeded(Plain), batch(images()), [request])["mine"]
        assert explanation.maps["conv1"].shape == (2, 3, 8, 7)

    def test_a_sample_that_is_no_number_is_reported_and_alone_in_it(self) -> None:
        model, x = seeded(Plain), images()
        clean = explain_all(model, batch(x, [2, 0]), [request_for("gradcam", TAPS[1:2], target("label"))])["gradcam"]
        x[1, 0, 3, 3] = float("nan")
        spoiled = explain_all(model, batch(x, [2, 0]), [request_for("gradcam", TAPS[1:2], target("label"))])["gradcam"]
        assert torch.equal(spoiled.maps["conv2"][0], clean.maps["conv2"][0])
        assert bool(spoiled.maps["conv2"][1].isnan().any())
        assert [str(remark) for remark in spoiled.warnings] == ["sample 1, conv2: values that are NaN or infinite"]

    def test_a_dead_map_is_given_with_its_reason(self) -> None:
        model = seeded(Plain)
        nn.init.zeros_(model.head.weight)
        explanation = explain_all(model, batch(images()), [request_for("gradcam", TAPS[:1])])["gradcam"]
        assert [str(remark) for remark in explanation.warnings] == [
            "sample 0, conv1: zero gradients",
            "sample 1, conv1: zero gradients",
        ]

    def test_nothing_is_kept_between_explanations(self) -> None:
        model, given, requests = seeded(Plain), batch(images()), [request_for(use) for use in ALL]

        def live() -> int:
            return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

        explain(model, given, requests)
        gc.collect()
        gc.disable()  # so that a cycle shows
        try:
            before = live()
            for _ in range(20):
                explain(model, given, requests)
            assert live() == before
        finally:
            gc.enable()
