"""SS-CAM and IS-CAM against TorchCAM 0.5, SESS against pytorch-grad-cam 1.5.7: where we agree, and where they stray."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from pytorch_grad_cam.sess import SESS
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d
from torchcam import methods as torchcam

import xaikit
from helpers.nets import calibrated, distance, photographs, random_model
from helpers.peer_maps import picture
from xaikit.draws import SampleGenerator

CLOSE = 1e-4
# 64 channels: of masks behind a ReLU, and before a sum
RECTIFIED, SIGNED = "layer1.0", "layer1.1.conv2"
STEPS = 4
STD = 0.5
AS_TORCHCAM = {"use": "sscam", "n": 2, "std": STD, "variant": "torchcam"}


@cache
def subject() -> tuple[nn.Module, Tensor, list[int]]:
    """A ResNet-18 with random weights, small photographs, and the class that wins on each."""
    model, x = random_model("resnet18"), photographs(64)
    return model, x, model(x).argmax(1).tolist()


def explained(spec: dict[str, Any], layer: str) -> Tensor:
    """Our raw map by one method."""
    model, x, classes = subject()
    (explanation,) = xaikit.explain(model, x, {"it": spec}, layers=layer, target=classes).values()
    return explanation.maps[layer]


def apart(one: Tensor, other: Tensor) -> float:
    """The smallest over the samples of the largest difference of pictures."""
    return float((picture(one) - picture(other)).abs().amax((1, 2)).min())


# --- SS-CAM


class Drawn(torch.distributions.Normal):
    """Noise drawn before, in turn; the same for all channels, as ours."""

    def __init__(self, fields: Tensor) -> None:
        super().__init__(0.0, STD)
        self.fields = iter(fields.unbind(1))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return STD * next(self.fields).unsqueeze(1).expand(sample_shape)


def torchcams_sscam(layer: str, noise: Tensor | None) -> Tensor:
    model, x, classes = subject()
    with (
        torch.random.fork_rng(devices=[]),
        torchcam.SSCAM(model, layer, batch_size=64, num_samples=2, std=STD) as extractor,
    ):
        torch.manual_seed(0)
        if noise is not None:
            extractor._distrib = Drawn(noise)
        (saliency,) = extractor(classes, model(x), normalized=False)
    return saliency


def ours_with(fields: Tensor, layer: str, **options: Any) -> Tensor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SampleGenerator, "normal", lambda self, *shape: fields)
        return explained(AS_TORCHCAM | options, layer)


def fields() -> Tensor:
    return torch.randn(3, 2, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layer", [RECTIFIED, SIGNED])
def test_sscam_given_torchcams_options_and_the_same_noise_equals_torchcams(layer: str) -> None:
    saliency = ours_with(fields(), layer)
    assert distance(picture(saliency), picture(torchcams_sscam(layer, fields()))) <= CLOSE
    assert saliency.relu().flatten(1).any(1).all()


def test_sscam_differs_from_torchcam_because_that_draws_noise_for_every_channel() -> None:
    """The same formula given noise of its own: another map, by what one draw does."""
    assert apart(ours_with(fields(), SIGNED), torchcams_sscam(SIGNED, None)) > 1e-3


def test_normalized_sscam_differs_from_torchcam_because_it_stretches_after_upsampling() -> None:
    saliency = ours_with(fields(), SIGNED, variant="normalized")
    assert apart(saliency, torchcams_sscam(SIGNED, fields())) > 1e-3


# --- IS-CAM


@cache
def torchcams_iscam(layer: str) -> Tensor:
    model, x, classes = subject()
    with torchcam.ISCAM(model, layer, batch_size=64, num_samples=STEPS) as extractor:
        (saliency,) = extractor(classes, model(x), normalized=False)
    return saliency


@pytest.mark.parametrize("layer", [RECTIFIED, SIGNED])
def test_iscam_given_torchcams_variant_equals_torchcams(layer: str) -> None:
    saliency = explained({"use": "iscam", "n": STEPS, "variant": "torchcam"}, layer)
    assert distance(picture(saliency), picture(torchcams_iscam(layer))) <= CLOSE
    assert saliency.relu().flatten(1).any(1).all()


def test_paper_iscam_differs_from_torchcam_which_multiplies_by_running_sums() -> None:
    saliency = explained({"use": "iscam", "n": STEPS}, SIGNED)
    assert apart(saliency, torchcams_iscam(SIGNED)) > 0.01


# --- SESS


@cache
def precise() -> tuple[nn.Module, Tensor, list[int]]:
    """In float64, where the two can be told apart: the peer runs the windows of a photograph as one batch, we run a window
    of all photographs, so that convolutions round otherwise. In float32 one sum in ten million before a ReLU then lies on
    the other side of zero, and the gradient is another. A small network whose windows differ twentyfold in probability.
    """
    x = photographs(64).double()
    model = calibrated(random_model("shufflenet_v2_x0_5").double(), x).requires_grad_(False)
    classes = model(x).argmax(1).tolist()
    # the peer finds no graph in a frozen model
    next(model.parameters()).requires_grad_(True)
    return model, x, classes


def sess(layer: str, x: Tensor, **options: Any) -> Tensor:
    model, _, classes = precise()
    spec = {"sess": {"use": "sess", **options}}
    return xaikit.explain(model, x, spec, layers=layer, target=classes)["sess"].maps[layer]


def their_sess(layer: str, x: Tensor, **options: Any) -> Tensor:
    """Averaged from the input's size to cells of eight or sixteen pixels."""
    model, _, classes = precise()
    targets = [ClassifierOutputTarget(one) for one in classes]
    with SESS(model, [model.get_submodule(layer)], **options) as enhanced:
        saliency = torch.from_numpy(enhanced(x, targets))
    stride = {"stage2": 8, "stage3": 16}[layer]
    return adaptive_avg_pool2d(saliency, [side // stride for side in x.shape[2:]]).double()


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("layer", ["stage2", "stage3"])
def test_sess_equals_pytorch_grad_cams_averaged_to_cells(layer: str, pool: str) -> None:
    x = precise()[1]
    saliency, expected = sess(layer, x, scales=5, pool=pool), their_sess(layer, x, num_scales=5, pool=pool)
    assert distance(picture(saliency), picture(expected)) <= CLOSE


def test_sess_with_all_its_scales_equals_pytorch_grad_cams() -> None:
    x = precise()[1]
    assert distance(picture(sess("stage3", x)), picture(their_sess("stage3", x))) <= CLOSE


def test_sess_differs_on_inputs_that_are_no_squares_as_its_windows_have_the_inputs_shape() -> None:
    """Theirs are squares of the shorter side: at the first scale two of them lie where ours has one."""
    x = precise()[1]
    x = torch.cat([x, x.flip(3)], 3)
    saliency, expected = sess("stage2", x, scales=2), their_sess("stage2", x, num_scales=2)
    assert saliency.shape == expected.shape == (3, 8, 16)
    assert apart(saliency, expected) > 0.05
