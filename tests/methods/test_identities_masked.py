"""What SS-CAM, IS-CAM and Group-CAM are equal to: theorems about their formulas, on nets built on the fly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.mask_formulas import EXACT, MASKS, maps_of
from helpers.nets import PROPERTY, Spec, distance, specs


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("on", ["mask", "input"])
@given(spec=specs(), top=st.sampled_from((None, 2)))
@PROPERTY
def test_sscam_without_noise_is_scorecam(on: str, masks: str, spec: Spec, top: int | None) -> None:
    net, x = spec.build()
    variant = {MASKS[0]: "normalized", MASKS[1]: "torchcam"}[masks]
    methods = {
        "one": {"use": "sscam", "n": 2, "std": 0, "noise_on": on, "variant": variant, "top_channels": top},
        "two": {"use": "scorecam", "masks": masks, "top_channels": top},
    }
    saliency, expected = maps_of(net, x, methods, spec.targets)
    assert distance(saliency, expected) <= EXACT


@pytest.mark.parametrize(("variant", "masks"), [("paper", MASKS[0]), ("torchcam", MASKS[1])])
@given(spec=specs())
@PROPERTY
def test_iscam_of_one_step_is_scorecam(variant: str, masks: str, spec: Spec) -> None:
    net, x = spec.build()
    methods = {"one": {"use": "iscam", "n": 1, "variant": variant}, "two": {"use": "scorecam", "masks": masks}}
    saliency, expected = maps_of(net, x, methods, spec.targets)
    assert distance(saliency, expected) <= EXACT


@pytest.mark.parametrize(("variant", "masks", "times"), [("paper", MASKS[0], 0.55), ("torchcam", MASKS[1], 2.2)])
@given(spec=specs(bias=st.just(False), activation=st.just("relu")))
@PROPERTY
def test_iscam_without_biases_is_scorecam_of_scores_times_a_number(
    variant: str, masks: str, times: float, spec: Spec
) -> None:
    """(n + 1) / 2n for the paper's steps and (n + 1)(n + 2) / 6n for TorchCAM's: four times as much for n = 10."""
    net, x = spec.build()
    (saliency,) = maps_of(net, x, {"one": {"use": "iscam", "variant": variant}}, spec.targets[0])
    scored = {"two": {"use": "scorecam", "masks": masks}}
    (expected,) = maps_of(net, x, scored, lambda output: times * output[:, spec.targets[0]])
    assert distance(saliency, expected) <= EXACT


def test_one_group_that_helps_is_grad_cams_picture() -> None:
    """Where pixels are places: relu(L), times one number a sample."""
    net, x = Spec(seed=4).build()
    methods = {"one": {"use": "groupcam", "groups": 1}, "two": "gradcam"}
    for target in range(3):
        saliency, grad = maps_of(net, x, methods, target, "features")
        for one, other in zip(saliency, grad.relu(), strict=True):
            if one.any():
                assert distance(one[None] / one.max(), other[None] / other.max()) <= 1e-8
    assert saliency.any()


@pytest.mark.parametrize(("name", "times"), [("groupcam", 100.0), ("sess", 1.0)])
@given(spec=specs())
@PROPERTY
def test_a_target_without_a_probability_is_weighed_by_its_score(name: str, times: float, spec: Spec) -> None:
    """Ten times the score is ten times a difference and ten times the Grad-CAM that it weighs; what is a share stays."""
    net, x = spec.build()
    method = {"one": {"use": name, **({"scales": 2} if name == "sess" else {})}}
    (once,) = maps_of(net, x, method, lambda output: output[:, 0])
    (tenfold,) = maps_of(net, x, method, lambda output: 10 * output[:, 0])
    assert (tenfold - times * once).abs().max() <= 1e-13 + EXACT * once.abs().max()
