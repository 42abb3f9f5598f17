"""Inputs of ``xaikit.explain`` in all forms that notebooks have them in."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Plain, images, seeded
from xaikit import TapError


class Captioned(nn.Module):
    """A text beside the picture, the text first."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.net = nn.Embedding(9, 3), seeded(Plain)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, pixel_values: Tensor) -> Tensor:
        return self.net(pixel_values) + (self.words(input_ids) * attention_mask[..., None]).mean(1)


def captioned() -> dict[str, Tensor]:
    return {"input_ids": torch.ones(2, 5).long(), "attention_mask": torch.ones(2, 5), "pixel_values": images()}


@pytest.mark.parametrize(
    "form",
    [Tensor.numpy, lambda x: x.numpy().astype(np.float64), lambda x: x.numpy()[:, ::-1].copy()[:, ::-1]],
    ids=["float32", "float64", "strides"],
)
def test_arrays_are_tensors_of_the_models_type(form: Any) -> None:
    model = seeded(Plain)
    want = xaikit.explain(model, images(), layers="conv2")["gradcam"].map
    assert torch.equal(xaikit.explain(model, form(images()), layers="conv2")["gradcam"].map, want)


@pytest.mark.parametrize("method", ["gradcam", "scorecam", "sess", "elementcam", "edges"])
@pytest.mark.parametrize("form", [dict, UserDict])
def test_any_mapping_is_one_of_named_inputs_and_the_picture_is_that_of_three_axes(method: str, form: Any) -> None:
    explanation = xaikit.explain(seeded(Captioned), form(captioned()), method, layers="net.conv2")[method]
    assert explanation.map.shape == (2, *images().shape[2:])
    assert explanation.map.any()


def test_layers_are_found_behind_the_picture() -> None:
    assert list(xaikit.explain(seeded(Captioned), captioned())["gradcam"].maps) == ["net.act2"]


PICTURE = Image.new("RGB", (8, 8))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (PICTURE, "got a picture, of which the model does not tell size and normalization; give transform"),
        ([PICTURE, PICTURE], "got a picture"),
        ({"x": PICTURE}, "got a picture"),
        (None, "expected a tensor, a tuple or a dict of tensors, got NoneType"),
        (np.array(["a"]), "expected numbers, got an array of <U1"),
        ([images()[:1], images()[1:]], r"torch\.stack"),
        ([images()[0], images()], "expected samples of one shape, to be a batch, or pictures"),
        ([], r"torch\.stack"),
        ("photo.jpg", "got a picture, of which the model does not tell size and normalization; give transform"),
        (["photo.jpg"], "got a picture"),
        ({"x": [images()[0].numpy()]}, "return_tensors"),
        (images()[:0], r"expected one sample at least along the first dimension, got \(0, 2"),
        (torch.tensor(1.0), r"got \(\)"),
        (images()[0].permute(1, 2, 0), r"inputs\.movedim\(-1, 0\)\[None\] is one"),
        (images().permute(0, 2, 3, 1), r"its channels come first: inputs\.movedim\(-1, 1\)"),
        ((images() * 255).byte(), "it takes torch.float64, in the range and normalized as it was trained"),
        ({"pixels": images()}, "unexpected keyword argument 'pixels'; call it until it runs, then explain it"),
    ],
)
def test_what_the_model_does_not_take_is_refused_with_what_to_do(inputs: Any, message: str) -> None:
    with pytest.raises(TapError, match=message):
        xaikit.explain(seeded(Plain), inputs, layers="conv2")


@pytest.mark.parametrize(
    "form",
    [
        lambda x: x[:1].float(),
        lambda x: x[0],
        lambda x: x[0].float(),
        lambda x: x[0].numpy(),
        lambda x: x[0].permute(1, 2, 0).numpy(),
        lambda x: [x[0]],
        lambda x: [x[0].numpy().astype(np.float32)],
    ],
    ids=[
        "other floats",
        "one sample",
        "one of other floats",
        "array",
        "array, channels last",
        "list",
        "list of arrays",
    ],
)
def test_what_can_only_be_meant_in_one_way_is_taken(form: Any) -> None:
    model = seeded(Plain)
    want = xaikit.explain(model, images()[:1], layers="conv2", target=[1])["gradcam"].map
    torch.testing.assert_close(
        xaikit.explain(model, form(images()), layers="conv2", target=[1])["gradcam"].map, want, rtol=1e-5, atol=1e-5
    )


class Grey(nn.Module):
    """Takes pictures without an axis of channels, (N, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.net(x.unsqueeze(1))
        return scores


def test_a_batch_that_looks_like_a_sample_alone_stays_a_batch() -> None:
    assert xaikit.explain(seeded(Grey), torch.rand(1, 9, 8).double(), layers="net.0")["gradcam"].map.shape == (1, 9, 8)


def test_a_model_that_turns_floats_by_itself_is_handed_them_as_they_are() -> None:
    seen: list[torch.dtype] = []

    class Casts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = seeded(Plain).float()

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.dtype)
            scores: Tensor = self.net(x.float())
            return scores

    xaikit.explain(Casts(), images(), layers="net.conv2")
    assert set(seen) == {torch.float64}


@pytest.mark.parametrize("order", [0, 1, 2])
def test_named_inputs_stand_in_any_order(order: int) -> None:
    items = list(captioned().items())
    turned = dict(items[order:] + items[:order])
    want = xaikit.explain(seeded(Captioned), captioned(), layers="net.conv2")["gradcam"].map
    assert torch.equal(xaikit.explain(seeded(Captioned), turned, layers="net.conv2")["gradcam"].map, want)


def test_what_others_raise_is_not_said_to_be_of_the_inputs() -> None:
    def target(output: Tensor) -> Tensor:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        xaikit.explain(seeded(Plain), images(), layers="conv2", target=target)
