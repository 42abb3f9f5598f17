"""Requests answered together: fewer passes, and to each what it would have got alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from helpers.hard_nets import Plain, images, seeded
from helpers.joint_requests import assert_close, labelled
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
from xaikit.engine import Request
from xaikit.evidence.taps import Tap
from xaikit.finish import Finish
from xaikit.needs import Needs
from xaikit.ops import weigh
from xaikit.passes.tally import Tally
from xaikit.targets import FunctionTarget
from xaikit.view import View
from xaikit_finish.normalize.max import Max
from xaikit_finish.rectify.relu import Relu

FURTHER = [use for use in ALL if use not in ONE_PASS]
FIRST, SECOND, THIRD = (target("logit", index=index) for index in range(3))


def counts(requests: Sequence[Request]) -> tuple[int, int, int]:
    tally = Tally()
    explain_all(seeded(Plain), batch(images(), [2, 0]), requests, tally)
    return tally.forwards, tally.gradient_calls, tally.reruns


class TestSeveralTargets:
    @pytest.mark.parametrize("use", FURTHER)
    def test_cost_the_forwards_of_one(self, use: str) -> None:
        one = request_for(use, TAPS[:2], FIRST)
        forwards, gradient_calls, reruns = counts([one])
        both = counts([one, labelled(one, "other", target=SECOND), labelled(one, "third", target=THIRD)])
        assert both == (forwards, 3 * gradient_calls, reruns)

    @pytest.mark.parametrize("use", ALL)
    def test_have_the_answers_that_each_has_alone(self, use: str) -> None:
        """Also where others stand between them, one target is plural, and one is asked for twice."""
        wanted = [FIRST, target("classes", of=(2, 0)), target("label"), THIRD, target("logit", index=2)]
        requests = [labelled(request_for(use, TAPS), str(place), target=one) for place, one in enumerate(wanted)]
        requests.insert(1, request_for("hirescam", wanted=SECOND))
        model, given = seeded(Plain), batch(images(), [2, 0])
        together = explain_all(model, given, requests)
        assert list(together) == [request.label for request in requests]
        for request in requests:
            alone = explain_all(model, given, [request])[request.label]
            # one product of matrices for several targets rounds otherwise than several: only behind further passes
            assert_close(together[request.label], alone, 0 if use in ONE_PASS else 1e-12)

    @pytest.mark.parametrize("use", ["gradcam", "layercam", "scorecam", "smoothgradcampp"])
    def test_in_single_precision(self, use: str) -> None:
        model, given = seeded(Plain, torch.float32), batch(images(dtype=torch.float32), [2, 0])
        requests = [request_for(use, wanted=FIRST), labelled(request_for(use, wanted=SECOND), "other")]
        together = explain_all(model, given, requests)
        for request in requests:
            alone = explain_all(model, given, [request])[request.label]
            assert_close(together[request.label], alone, 0 if use in ONE_PASS else 1e-5)

    def test_each_has_its_own_target_and_finish(self) -> None:
        request = request_for("ablationcam", wanted=target("classes", of=(1, 2)))
        finished = labelled(request, "other", target=FIRST, finish=Finish(rectify=Relu(), normalize=Max()))
        explanations = explain_all(seeded(Plain), batch(images()), [request, finished])
        plain, other = explanations["ablationcam"], explanations["other"]
        assert plain.target.indices.tolist() == [[1, 2], [1, 2]]
        assert other.target.indices.tolist() == [[0], [0]]
        assert plain.scores.shape == (2, 2)
        assert other.scores.shape == (2,)
        assert torch.equal(plain.finished["conv2"], plain.maps["conv2"])
        assert other.finished["conv2"].amin() == 0
        assert other.finished["conv2"].amax() == 1

    def test_what_a_method_says_of_each_target_is_told_to_each(self) -> None:
        @dataclass(frozen=True)
        class Saying(Mean):
            needs: ClassVar[Needs] = Needs(replays=True)

            def explain(self, view: View) -> Tensor:
                view.warn("by target", (torch.arange(5) <= torch.arange(view.shape[1]).unsqueeze(1)).expand(2, -1, -1))
                view.warn("whatever the target", torch.ones(2, 1, 7, dtype=torch.bool))
                view.warn("once", torch.ones(2, dtype=torch.bool))
                return super().explain(view)

        request = request_for(Saying(), TAPS[:1], FIRST)
        plural = labelled(request, "plural", target=target("classes", of=(0, 1)))
        explanations = explain_all(seeded(Plain), batch(images()), [request, plural])

        def counts_of(label: str) -> dict[str, int]:
            return {one.reason: one.count for one in explanations[label].warnings if one.sample == 0}

        assert counts_of("mine") == {"by target": 1, "whatever the target": 7, "once": 1}
        assert counts_of("plural") == {"by target": 2 + 3, "whatever the target": 7, "once": 1}

    def test_a_further_pass_has_the_columns_of_all(self) -> None:
        views: list[View] = []
        probe = Probe(lambda view: views.append(view.retrace(2 * view.inputs)))
        request = request_for(probe, TAPS[:1], FIRST)
        explain_all(
            seeded(Plain),
            batch(images()),
            [request, request_for("gradcam", wanted=SECOND), labelled(request, "c", target=THIRD)],
        )
        (view,) = views
        views.clear()
        for wanted in (FIRST, THIRD):
            explain_all(seeded(Plain), batch(images()), [request_for(probe, TAPS[:1], wanted)])
        assert torch.equal(view.gradients, torch.cat([one.gradients for one in views], 1))
        assert torch.equal(view.scores, torch.cat([one.scores for one in views], 1))

    def test_second_derivatives(self) -> None:
        @dataclass(frozen=True)
        class Curved:
            needs: ClassVar[Needs] = Needs(gradients=2)

            def explain(self, view: View) -> Tensor:
                return (view.hvp(view.gradients) + view.gradients).sum(view.channel)

        class Smooth(Plain):
            def classify(self, x: Tensor) -> Tensor:
                return super().classify(x).softmax(1)

        requests = [request_for(Curved(), wanted=FIRST), labelled(request_for(Curved(), wanted=SECOND), "other")]
        model, given, tally = seeded(Smooth), batch(images()), Tally()
        together = explain_all(model, given, requests, tally)
        assert tally.reruns == len(TAPS)
        for request in requests:
            assert_equal_maps(together[request.label], explain_all(model, given, [request])[request.label])

    def test_that_cannot_choose_rows_are_scored_apart(self) -> None:
        @dataclass(frozen=True)
        class Bound:
            """Scores the samples it was pinned on and no others."""

            plural: bool = False

            def pin(self, output: Any, labels: Any) -> Any:
                return self

            def scores(self, output: Tensor) -> Tensor:
                return output[:, :1] * torch.arange(1.0, 3.0, dtype=output.dtype).unsqueeze(1)

        one = request_for("scorecam", TAPS[:1], FIRST, weighting="softmax")
        bound = labelled(one, "bound", target=Bound())
        alone = [counts([one])[0], counts([bound])[0]]
        assert alone[1] > alone[0]
        # all variants at once for the one, each by itself for the other, and no more than that
        assert counts([one, bound])[0] == sum(alone) - 1

    def test_a_method_of_one_pass_is_called_for_each_apart(self) -> None:
        """So that a map is the same to the bit whoever else is explained."""
        shapes: list[tuple[int, ...]] = []
        counting = replace(Shapes(), shapes=shapes)
        request = request_for(counting, TAPS[:2], FIRST)
        explain_all(seeded(Plain), batch(images()), [request, labelled(request, "other", target=SECOND)])
        assert [shape[1] for shape in shapes] == [1, 1, 1, 1]

    def test_a_method_that_the_target_is_nothing_to_is_called_once(self) -> None:
        @dataclass(frozen=True)
        class Agnostic(Shapes):
            needs: ClassVar[Needs] = Needs(scores=False)

        shapes: list[tuple[int, ...]] = []
        request = request_for(Agnostic(shapes), TAPS[:2], FIRST)
        plural = labelled(request, "plural", target=target(k=3))
        explanations = explain_all(seeded(Plain), batch(images()), [request, plural])
        assert len(shapes) == 2
        assert torch.equal(explanations["plural"].maps["conv1"][:, 1], explanations["mine"].maps["conv1"])


@dataclass(frozen=True)
class Shapes(Mean):
    """Keeps the shapes that it is asked for."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def explain(self, view: View) -> Tensor:
        self.shapes.append(view.shape)
        return super().explain(view)


class TestOneMap:
    def test_serves_labels_that_differ_in_their_finish(self) -> None:
        shapes: list[tuple[int, ...]] = []
        request = request_for(Shapes(shapes), TAPS[:1])
        finishes = [Finish(), Finish(rectify=Relu()), Finish(normalize=Max()), None]
        explanations = explain_all(
            seeded(Plain),
            batch(images()),
            [labelled(request, str(place), finish=finish) for place, finish in enumerate(finishes)],
        )
        assert len(shapes) == 1
        places = {one.maps["conv1"].data_ptr() for one in explanations.values()}
        assert len(places) == 1  # no raw map is copied
        # but for finishers, which may change what they are given
        assert explanations["0"].finished["conv1"].data_ptr() not in places
        assert torch.equal(explanations["0"].finished["conv1"], explanations["0"].maps["conv1"])
        assert torch.equal(explanations["1"].finished["conv1"], explanations["0"].maps["conv1"].relu())
        assert explanations["2"].finished["conv1"].abs().amax((1, 2)).tolist() == [1, 1]
        assert explanations["3"].finished == {}
        assert explanations["3"].map is None

    @pytest.mark.parametrize("use", ALL)
    def test_serves_labels_that_differ_in_their_layers_each_in_its_order(self, use: str) -> None:
        first, last, act = TAPS
        requests = [
            request_for(use, [last], FIRST),
            labelled(request_for(use, [act, first], FIRST), "two"),
            labelled(request_for(use, [first, last], FIRST), "again"),
        ]
        model, given = seeded(Plain), batch(images())
        together = explain_all(model, given, requests)
        assert list(together["two"].maps) == ["act2", "conv1"]
        for request in requests:
            assert_equal_maps(together[request.label], explain_all(model, given, [request])[request.label])

    @pytest.mark.parametrize("use", FURTHER)
    def test_at_a_layer_costs_what_the_layer_costs(self, use: str) -> None:
        one, two = request_for(use, TAPS[:1], FIRST), labelled(request_for(use, TAPS[:2], SECOND), "two")
        forwards, _, reruns = counts([replace(two, target=FIRST)])
        assert counts([one, two])[::2] == (forwards, reruns)

    @pytest.mark.parametrize(
        "changed", [{"seed": 1}, {"use": "otherwise"}, {"precision": "bfloat16"}, {"method": Shapes(shapes=[()])}]
    )
    def test_serves_no_label_that_differs_in_more(self, changed: dict[str, Any]) -> None:
        shapes: list[tuple[int, ...]] = []
        request = request_for(Shapes(shapes), TAPS[:1])
        explain_all(seeded(Plain), batch(images()), [request, labelled(request, "other", **changed)])
        assert len(shapes) == (1 if "method" in changed else 2)

    def test_serves_no_method_whose_options_cannot_be_compared(self) -> None:
        @dataclass(frozen=True)
        class Weighed(Mean):
            weights: Tensor

            def explain(self, view: View) -> Tensor:
                return weigh(self.weights.expand(*view.shape[:2], -1), view)

        one, other = (request_for(Weighed(torch.full((4,), value, dtype=torch.float64))) for value in (1.0, 2.0))
        explanations = explain_all(seeded(Plain), batch(images()), [one, labelled(other, "other")])
        assert torch.equal(2 * explanations["mine"].maps["conv1"], explanations["other"].maps["conv1"])


class TestWhereItFails:
    def test_together_each_is_answered_alone_and_says_so(self) -> None:
        @dataclass(frozen=True)
        class Single(Mean):
            needs: ClassVar[Needs] = Needs(replays=True)

            def explain(self, view: View) -> Tensor:
                if view.shape[1] > 1:
                    raise torch.OutOfMemoryError("no room")
                return super().explain(view)

        request = request_for(Single(), TAPS[:1], FIRST)
        explanations = explain_all(seeded(Plain), batch(images()), [request, labelled(request, "other", target=SECOND)])
        for one in explanations.values():
            assert [str(remark) for remark in one.warnings] == [
                f"sample {row}, conv1: explained alone: together with other labels it raised OutOfMemoryError"
                for row in range(2)
            ]

    def test_probabilities_of_a_target_that_has_none_fail_it_alone(self) -> None:
        request = request_for("scorecam", TAPS[:1], FIRST, weighting="raw")
        called = labelled(request, "called", target=FunctionTarget(lambda output: output[:, 0]))
        failed: list[tuple[str, str]] = []
        model, given = seeded(Plain), batch(images())
        explanations = explain_all(
            model, given, [request, called], failed=lambda one, error: failed.append((one.label, str(error)))
        )
        assert failed == [("called", "target: expected classes, which have a probability, got PinnedFunction")]
        assert_close(explanations["scorecam"], explain_all(model, given, [request])["scorecam"], 0)
        assert list(explanations) == ["scorecam"]


def test_what_is_remarked_of_a_target_is_told_to_no_other() -> None:
    model = seeded(Plain)
    nn.init.zeros_(model.head.weight[0:1])
    requests = [
        request_for("ablationcam", [Tap("conv2")], FIRST),
        labelled(request_for("ablationcam", [Tap("conv2")], SECOND), "b"),
    ]
    explanations = explain_all(model, batch(images()), requests)
    assert {remark.reason for remark in explanations["ablationcam"].warnings} == {"zero map: the evidence cancels"}
    assert explanations["b"].warnings == ()
