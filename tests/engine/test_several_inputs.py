"""Models of several inputs: which of them have a row a sample, and which one a layer is a map of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import images, seeded
from helpers.requests import request_for
from xaikit.engine import Batch, explain
from xaikit.errors import ConfigError
from xaikit.evidence.taps import Tap
from xaikit.passes.tally import Tally

VARYING = ["scorecam", "ablationcam", "reciprocam", "smoothgradcampp", "iscam"]


class Prompted(nn.Module):
    """Compares images with prompts, of which each is a class, behind a mask of each image's own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.join = nn.Conv2d(6, 4, 1)

    def forward(self, image: Tensor, prompts: Tensor, mask: Tensor | None = None) -> Tensor:
        image = image if mask is None else image * mask
        return self.join(torch.cat([self.act(self.conv(image)), image], 1)).tanh().mean((2, 3)) @ prompts.T


class Alone(Prompted):
    """With prompts of its own."""

    def forward(self, image: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(image, prompts(3))


class Siamese(nn.Module):
    """Two towers, one an image; what is made of them is added up."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU())
        self.right = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU())
        self.heads = nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3)])

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.heads[0](self.left(left).mean((2, 3))) + self.heads[1](self.right(right).mean((2, 3)))


class Paired(Siamese):
    """The same of both images as one argument."""

    def forward(self, pair: Any) -> Tensor:  # type: ignore[override]
        return super().forward(*pair)


class Summed(Prompted):
    """Whose samples see each other by their second input."""

    def forward(self, image: Tensor, prompts: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(image, torch.eye(4, dtype=image.dtype)) * prompts.cumsum(0)


def saliency(model: nn.Module, inputs: Any, method: Any, layer: str = "act", **options: Any) -> Tensor:
    explanation = xaikit.explain(model, inputs, {"one": method}, **{"layers": layer, "target": 1, **options})["one"]
    (raw,) = explanation.maps.values()
    return raw


def batch(count: int, seed: int = 1) -> Tensor:
    return images(count, 2, 8, 7, seed=seed)


def prompts(count: int) -> Tensor:
    return images(5, 4)[:count]


def masks() -> Tensor:
    return images(3, 1, 8, 7).abs()


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", VARYING)
@pytest.mark.parametrize("named", [False, True])
def test_as_many_prompts_as_images_are_still_no_samples(method: str, named: bool) -> None:
    model = seeded(Prompted)

    def inputs(count: int) -> Any:
        listed = batch(3), prompts(count), masks()
        return dict(zip(("image", "prompts", "mask"), listed, strict=True)) if named else listed

    expected = saliency(model, inputs(4), method)
    close(saliency(model, inputs(3), method), expected)
    close(saliency(model, inputs(3), method, shared="prompts" if named else 1), expected)


@pytest.mark.parametrize("method", VARYING)
def test_a_batch_and_its_samples_agree(method: str) -> None:
    model, mask = seeded(Prompted), masks()
    alone = [saliency(model, (batch(3)[[row]], prompts(3), mask[[row]]), method, ids=[str(row)]) for row in range(3)]
    close(saliency(model, (batch(3), prompts(3), mask), method), torch.cat(alone))


@pytest.mark.parametrize("method", [*VARYING, "gradcam"])
def test_inputs_that_are_named_as_shared_may_come_first(method: str) -> None:
    model = seeded(Prompted)
    turned = {"prompts": prompts(2), "image": batch(3)}
    close(saliency(model, turned, method, shared=["prompts"]), saliency(model, (batch(3), prompts(2)), method))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_auto_looks_at_inputs_of_any_length(count: int) -> None:
    explanation = xaikit.explain(seeded(Prompted), (batch(3), prompts(count)), target=1)["gradcam"]
    assert list(explanation.maps) == ["join"]


@pytest.mark.parametrize(
    ("model", "inputs", "options", "message"),
    [
        (Prompted, (batch(3), prompts(3)), {"shared": "promts"}, "shared: no input 'promts'; known: 0, 1"),
        (
            Prompted,
            {"image": batch(3), "prompts": prompts(3)},
            {"shared": "promts"},
            "shared: no input 'promts'; did you mean 'prompts'?",
        ),
        (Prompted, (batch(3), prompts(3)), {"shared": [0, 1]}, "shared: expected an input that has a row a sample"),
        (Prompted, (batch(3), prompts(3)), {"shared": []}, "which of 0, 1 have a row a sample, .* as shared= says it"),
        (
            Summed,
            (batch(3), prompts(3)),
            {},
            "which of 0, 1 have a row a sample, .* whichever do: name .* as shared=, ",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(model: Any, inputs: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        saliency(seeded(model), inputs, "scorecam", **options)


def test_it_costs_a_pass_where_there_are_several_inputs_and_none_where_there_is_one() -> None:
    def forwards(model: nn.Module, inputs: Any) -> int:
        tally = Tally()
        explain(model, Batch(inputs, ("a", "b", "c")), [request_for("scorecam", [Tap("act")])], tally=tally)
        return tally.forwards

    model = seeded(Prompted)
    several = [forwards(model, (batch(3), prompts(3))) for _ in range(2)]
    # the first of the two readings repeats nothing
    assert several[0] == several[1] + 2
    assert {forwards(model, batch(3)) for model in [seeded(Alone)] * 2} == {several[1]}


AXES: list[dict[str, Any]] = [
    {},
    {"augment": {"flip": True}},
    {"augment": {"scale": [1.0, 1.5], "gain": [1.0, 0.5]}},
    {"augment": {"noise": 0.3, "draws": 3}},
]


def right_alone(model: Siamese) -> nn.Module:
    return nn.Sequential(model.right, nn.AdaptiveAvgPool2d(1), nn.Flatten(), model.heads[1])


@pytest.mark.parametrize("options", AXES, ids=str)
@pytest.mark.parametrize("method", ["gradcam", "smoothgradcampp", "ablationcam"])
def test_the_input_that_a_layer_depends_on_is_varied(method: str, options: dict[str, Any]) -> None:
    model, left, right = seeded(Siamese), batch(2), batch(2, 2) + 0.3
    expected = saliency(right_alone(model), right, method, "0", **options)
    close(saliency(model, (left, right), method, "right", **options), expected)
    close(saliency(model, {"left": left, "right": right}, method, "right", **options), expected)
    close(saliency(seeded(Paired), ((left, right),), method, "right", **options), expected)


@pytest.mark.parametrize("method", ["scorecam", "iscam", "sscam", "sess"])
def test_masks_and_cuts_are_of_the_input_that_a_layer_depends_on(method: str) -> None:
    model, right = seeded(Siamese), batch(2)
    maps = [saliency(model, (left, right), method, "right") for left in (batch(2), batch(2) * 0)]
    turned = nn.ModuleDict({"inner": model})
    turned.forward = lambda right, left: model(left, right)  # type: ignore[method-assign]
    close(saliency(turned, (right, batch(2)), method, "inner.right"), maps[0])
    assert method != "scorecam" or torch.allclose(*maps)


def test_maps_are_laid_over_the_input_that_they_are_of() -> None:
    model, inputs = seeded(Siamese), (images(2, 2, 8, 7), images(2, 2, 12, 10))
    options: dict[str, Any] = {"layers": ["left", "right"], "target": 1}
    explanation = xaikit.explain(model, inputs, finish={"fuse": "none"}, **options)["gradcam"]
    assert {layer: tuple(one.shape) for layer, one in explanation.finished.items()} == {
        "left": (2, 8, 7),
        "right": (2, 12, 10),
    }
    with pytest.raises(
        ConfigError, match=r"finish.fuse: .* got left \(8, 7\), right \(12, 10\); set finish.fuse: none"
    ):
        xaikit.explain(model, inputs, **options)
