"""``layers: auto`` on small nets: every rule, every refusal, and the model left alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.hard_nets import (
    Beside,
    Branches,
    Inference,
    NoGrad,
    Plain,
    Raising,
    Scribbling,
    Stochastic,
    Twice,
    TwoInputs,
    images,
    seeded,
)
from helpers.nets import Spec
from helpers.requests import target
from helpers.untouched import counted, untouched
from xaikit.auto import auto
from xaikit.errors import LayerNotFound
from xaikit.evidence.taps import Tap


def first_class(output: Tensor) -> Tensor:
    return output[:, 0]


def layers_of(model: nn.Module, inputs: Any) -> list[str]:
    with untouched(model, inputs):
        return [str(tap) for tap in auto.find(model, inputs, first_class)]


def verdicts(model: nn.Module, inputs: Any) -> dict[str, str]:
    with untouched(model, inputs):
        return {one.name: one.verdict for one in auto.consider(model, inputs, first_class)}


class Wrapped(Plain):
    """The last map passes through a module that returns it as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sigmoid())
        self.drop = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.drop(self.stage(x)))


class Around(Plain):
    """The input itself is used beside the features."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x.sum((1, 2, 3)).unsqueeze(1)


class Corner(Plain):
    """One place of the last map is read."""

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x[:, :, 0, 0])


class ClassMap(Plain):
    """A map of many classes, then global pooling: one channel each has gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.Conv2d(4, 20, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.features(x)).mean((2, 3))


class Consumed(Plain):
    """What a module returned is changed in place before it is pooled, as in torchvision's DenseNet."""

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.conv2(self.conv1(x).relu()).relu_())


class Added(Plain):
    """A sum, changed in place by a module."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(x)
        return self.classify(nn.functional.relu(self.act2(self.conv2(first) + first)))

    def __init__(self) -> None:
        super().__init__(inplace=True)


class Streams(Plain):
    """One module returns two maps and the input it was given; only together they cut the score off."""

    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 2, stride=2)

        def forward(self, x: Tensor) -> dict[str, Any]:
            return {"through": x, "maps": (self.left(x), self.right(x))}

    def __init__(self) -> None:
        super().__init__()
        self.split = self.Split()

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.split(self.conv1(x))["maps"]
        return self.head(left.tanh().mean((2, 3)) + right.tanh().mean((2, 3)))


class Handed(Plain):
    """The last module hands one of its two maps on as it got it: both are needed to cut the score off."""

    class Second(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
            return left, self.conv(right)

    def __init__(self) -> None:
        super().__init__()
        self.other, self.second = nn.Conv2d(2, 4, 1), self.Second()

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.second(self.conv1(x), self.other(x))
        return self.classify(left.tanh() + right.tanh())


class Tokens(nn.Module):
    """Ten tokens, four by two of them the picture; the class token is read."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(2, 8, 2, stride=2)
        self.extra = nn.Parameter(torch.randn(1, 2, 8))
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(3)))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.blocks(torch.cat([self.extra, patches], 1))[:, 0])


FOUND: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], list[str]]] = {
    "the last map": (Plain, (1, 2, 8, 7), ["act2"]),
    "in place": (lambda: Plain(inplace=True), (1, 2, 8, 7), ["act2"]),
    "what is pooled, not what is dropped from it": (Stochastic, (1, 2, 8, 7), ["norm"]),
    "named by the outermost module that made it": (Wrapped, (1, 2, 8, 7), ["stage"]),
    "not the class map": (ClassMap, (1, 2, 8, 7), ["act2"]),
    "made in place from what no module returned": (Added, (1, 2, 8, 7), ["act2"]),
    "as consumed": (Consumed, (1, 2, 8, 7), ["conv2+"]),
    "behind parallel branches": (Branches, (1, 2, 8, 7), ["join"]),
    "not beside the way": (Beside, (1, 2, 8, 7), ["act1"]),
    "several streams": (Streams, (1, 2, 8, 6), ["split[maps][0]", "split[maps][1]"]),
    "several streams, one of them handed on": (Handed, (1, 2, 8, 7), ["second[0]", "second[1]"]),
    "tokens before the last block of a class token": (Tokens, (1, 2, 8, 4), ["blocks.1"]),
    "in a model that changes its input": (Scribbling, (1, 2, 8, 7), ["act2"]),
    "in a strip": (Plain, (1, 2, 2, 40), ["act2"]),
}


@pytest.mark.parametrize("kind", FOUND)
@pytest.mark.parametrize("training", [True, False])
def test_it_finds(kind: str, training: bool) -> None:
    build, shape, names = FOUND[kind]
    assert layers_of(seeded(build).train(training), images(*shape)) == names


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("head", ["gap", "flatten"])
def test_in_any_number_of_dimensions_and_before_a_flatten(dims: int, head: str) -> None:
    model, x = Spec(dims=dims, head=head, batch=1).build()
    assert layers_of(model, x) == ["features"]


def test_with_several_inputs() -> None:
    image, extra = images(1, 2, 8, 7), images(1, 5)
    assert layers_of(seeded(TwoInputs), (image, extra)) == ["act2"]
    assert layers_of(seeded(TwoInputs), {"image": image, "extra": extra}) == ["act2"]


CALLERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("caller", CALLERS)
class TestCallers:
    @pytest.mark.parametrize("frozen", [True, False])
    def test_any_mode_and_frozen_weights(self, caller: str, frozen: bool) -> None:
        with CALLERS[caller]():
            assert layers_of(seeded(Plain, torch.float32).requires_grad_(not frozen), images(dtype=torch.float32)) == [
                "act2"
            ]

    def test_weights_and_inputs_made_in_inference_mode(self, caller: str) -> None:
        with torch.inference_mode():
            model, x = seeded(Plain), images()
        with CALLERS[caller]():
            assert layers_of(model, x) == ["act2"]

    def test_the_target_of_the_first_sample(self, caller: str) -> None:
        model, x = seeded(Plain), images()
        with CALLERS[caller](), untouched(model, x):
            labels = torch.tensor([1, 2])
            assert auto.of(model, x, target("label"), labels) == (Tap("act2"),)


def test_it_costs_one_forward_of_one_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = seeded(Plain), []
    counts = counted(monkeypatch, model)
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    auto.of(model, images(), target(), None)
    assert counts == {"forwards": 1, "gradient calls": 1}
    assert sizes == [1]


class TestVerdicts:
    def test_they_are_given_from_behind_up_to_the_chosen_one(self) -> None:
        assert verdicts(seeded(Wrapped), images(1, 2, 8, 7)) == {
            "drop": "returns its input unchanged",
            "stage": "chosen",
        }

    @pytest.mark.parametrize(
        ("build", "layer", "verdict"),
        [
            (Beside, "conv2", "no gradient"),
            (Twice, "conv2", "called 2 times"),
            (Branches, "other", "the score depends on the input past it"),
            (ClassMap, "classes", "gradient at too few places or channels"),
            (Corner, "act2", "gradient at too few places or channels"),
        ],
    )
    def test_why_not(self, build: type[nn.Module], layer: str, verdict: str) -> None:
        model = seeded(build)
        if build is Twice:
            model.act2 = nn.Identity()
        if build is Branches:
            model.join = nn.Identity()
            model.head = nn.Linear(8, 3, dtype=torch.float64)
        assert verdicts(model, images(1, 2, 8, 7))[layer] == verdict


class TestRefusals:
    def refused(self, model: nn.Module, inputs: Any) -> str:
        with pytest.raises(LayerNotFound) as caught:
            layers_of(model.train(), inputs)
        return str(caught.value)

    def test_integers(self) -> None:
        message = self.refused(seeded(Plain), torch.zeros(1, 2, 8, 7, dtype=torch.long))
        assert message == "layers: auto needs floating-point inputs to look at the graph, got torch.int64; name a layer"

    def test_nothing_that_cuts_the_score_off_names_the_last_maps(self) -> None:
        message = self.refused(seeded(Around), images(1, 2, 8, 7))
        assert message.startswith(
            "layers: auto found no map that the score depends on as a whole; name a layer, such as"
        )
        assert message.endswith("act2 (1, 4, 8, 7), conv2 (1, 4, 8, 7), act1 (1, 4, 8, 7), conv1 (1, 4, 8, 7)")

    def test_no_map_at_all(self) -> None:
        net = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(112, 3)))
        assert self.refused(net, images(1, 2, 8, 7)).endswith("such as one of: none")

    @pytest.mark.parametrize("build", [NoGrad, Inference])
    def test_a_model_that_switches_grad_off(self, build: type[nn.Module]) -> None:
        assert "does not depend on the input in a differentiable way" in self.refused(seeded(build), images(1, 2, 8, 7))

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_what_the_model_raises_comes_through(self, error: type[BaseException]) -> None:
        with pytest.raises(error, match="on the way"):
            layers_of(seeded(lambda: Raising(error)).train(), images(1, 2, 8, 7))
