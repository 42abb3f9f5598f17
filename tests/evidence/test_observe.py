"""One pass: right to the bit against an uncut graph, whoever calls it and whatever the model does."""

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
    FrozenBackbone,
    FrozenMiddle,
    FrozenStem,
    Inference,
    Nested,
    NoGrad,
    Plain,
    Scribbling,
    Skip,
    Stochastic,
    TwoInputs,
    Wrapped,
    images,
    seeded,
    uncut,
)
from helpers.nets import Spec
from helpers.untouched import counted, untouched
from xaikit.evidence.observe import observe
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.passes.tally import Tally
from xaikit.targets import PinnedClasses

CLASSES = [2, 0]
INDICES = torch.tensor(CLASSES).unsqueeze(1)


def look(model: nn.Module, inputs: Any, names: list[str], **options: Any) -> Trace:
    """A pass for one class a sample, inside the kit; the model has a gradient to lose and a batch of inputs to keep."""
    pinned = PinnedClasses(INDICES)
    with untouched(model, inputs):
        return observe(model, inputs, [Tap(name) for name in names], lambda _: [pinned], gradients=True, **options)


def assert_exact(trace: Trace, expected: tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]) -> None:
    output, activations, gradients = expected
    assert torch.equal(trace.output, output)
    for tap in trace.activations:
        to_map = tap.layout.to_map if tap.layout else lambda tensor: tensor
        assert bool(gradients[tap.name].any())
        assert torch.equal(trace.activations[tap], to_map(activations[tap.name]))
        assert torch.equal(trace.gradients[tap], to_map(gradients[tap.name]).unsqueeze(1))


BOTH = ["conv1", "conv2"]
NETS: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "plain": (Plain, BOTH),
    "in-place ReLU behind the taps": (lambda: Plain(inplace=True), BOTH),
    "no_grad forward": (NoGrad, BOTH),
    "inference_mode forward": (Inference, BOTH),
    "frozen backbone, tap inside": (FrozenBackbone, ["conv1", "act2"]),
    "frozen stem, two ways from it": (FrozenStem, BOTH),
    "parallel branches": (Branches, ["conv1", "other"]),
    "parallel branches and what joins them": (Branches, ["other", "join", "conv1"]),
    "a skip around the tap": (Skip, ["conv2"]),
    "a skip around one of two taps": (Skip, ["conv1", "conv2"]),
    "modules that return the same tensor": (Wrapped, ["stage.0", "stage", "after"]),
    "batch normalization and dropout": (Stochastic, ["conv1", "norm", "drop"]),
    "a tuple": (lambda: Nested(lambda a, b: (a, b), lambda nest: nest), ["block.left", "block.right"]),
}
LIVES: dict[str, Callable[[nn.Module], object]] = {
    "trainable": lambda model: model,
    "frozen": lambda model: model.requires_grad_(False),
    "half frozen": lambda model: next(model.children()).requires_grad_(False),
    "in training": lambda model: model.train(),
}


def reference_of(build: Callable[[], nn.Module], names: list[str]) -> Any:
    """The same weights with plain ways of computing: what no_grad and inference_mode forwards would give without."""
    model = seeded(build)
    plainly = {NoGrad: Plain, Inference: Plain, FrozenBackbone: Plain, FrozenStem: Skip}
    model.__class__ = plainly.get(type(model), type(model))
    return uncut(model, images(), names, CLASSES)


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("net", NETS)
def test_equal_to_the_uncut_graph(net: str, life: str) -> None:
    build, names = NETS[net]
    model = seeded(build)
    LIVES[life](model)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    assert_exact(look(model, images(), names), reference_of(build, names))


@pytest.mark.parametrize("net", NETS)
def test_a_tap_alone_equals_itself_beside_others(net: str) -> None:
    build, names = NETS[net]
    model = seeded(build)
    together = look(model, images(), names)
    for name in names:
        alone = look(model, images(), [name])
        assert torch.equal(alone.gradients[Tap(name)], together.gradients[Tap(name)])


CALLERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "no_grad": torch.no_grad,
    "enable_grad": torch.enable_grad,
    "inference_mode": torch.inference_mode,
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("net", ["plain", "frozen backbone, tap inside", "inference_mode forward"])
class TestCallers:
    def test_the_mode_of_the_caller_makes_no_difference(self, net: str, caller: str) -> None:
        build, names = NETS[net]
        with CALLERS[caller]():
            trace = look(seeded(build), images(), names)
        assert_exact(trace, reference_of(build, names))

    def test_nor_do_inputs_made_in_inference_mode(self, net: str, caller: str) -> None:
        build, names = NETS[net]
        with torch.inference_mode():
            inputs = images()
        with CALLERS[caller]():
            trace = look(seeded(build), inputs, names)
        assert_exact(trace, reference_of(build, names))

    def test_nor_do_weights_made_in_inference_mode(self, net: str, caller: str) -> None:
        build, names = NETS[net]
        expected = reference_of(build, names)
        with torch.inference_mode():
            model = seeded(build)
        assert next(model.parameters()).is_inference()
        with CALLERS[caller]():
            assert_exact(look(model, images(), names), expected)


def test_autocast_of_the_caller_is_obeyed() -> None:
    model, x = seeded(Plain, torch.float32), images(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        trace, expected = look(model, x, BOTH), uncut(model, x, BOTH, CLASSES)
    assert trace.activations[Tap("conv1")].dtype == torch.bfloat16
    assert_exact(trace, expected)


def test_autocast_keeps_no_weights_without_gradient_for_the_callers_own_training() -> None:
    model, x = seeded(Plain, torch.float32), images(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        look(model, x, ["conv2"])
        model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_inputs_that_require_gradients_are_served_and_get_none() -> None:
    x = images().requires_grad_()
    assert_exact(look(seeded(Plain), x, BOTH), reference_of(Plain, BOTH))
    assert x.grad is None


def test_a_model_that_changes_its_input_gets_a_copy() -> None:
    model = seeded(Scribbling)
    assert_exact(look(model, images(), BOTH), uncut(model, images(), BOTH, CLASSES))


def test_hooks_of_the_user_run_and_keep_their_place() -> None:
    model, calls = seeded(Plain), []
    model.conv1.register_forward_hook(lambda module, args, output: calls.append("forward") or output * 2)
    assert_exact(look(model, images(), ["conv1"]), uncut(model, images(), ["conv1"], CLASSES))
    assert calls == ["forward", "forward"]


class TestFrozenMiddle:
    """A part without gradient between two taps: it counts as a constant, whichever taps there are."""

    @pytest.mark.parametrize("life", LIVES)
    @pytest.mark.parametrize("names", [["act1"], ["conv3"], ["act1", "conv3"], ["act1", "conv2", "conv3"]])
    def test_equals_the_gradient_on_detached_weights(self, life: str, names: list[str]) -> None:
        model = seeded(FrozenMiddle)
        LIVES[life](model)
        trace = look(model, images(), names)
        for name, gradient in self.by_hand().items():
            if name in names:
                assert bool(gradient.any())
                assert torch.equal(trace.gradients[Tap(name)].squeeze(1), gradient)

    @staticmethod
    def by_hand() -> dict[str, Tensor]:
        model = seeded(FrozenMiddle).requires_grad_(False)
        act1 = model.act1(model.conv1(images())).requires_grad_()
        conv2 = model.conv2(act1.detach()).requires_grad_()
        conv3 = model.conv3(act1 + model.act2(conv2))
        scores = model.classify(conv3.sigmoid())[torch.arange(2), torch.tensor(CLASSES)]
        through_act1 = torch.autograd.grad(scores.sum(), [act1, conv3], retain_graph=True)
        # a tap inside the part is a leaf of its own: nothing leads from it back to act1
        return {"act1": through_act1[0], "conv3": through_act1[1], "conv2": torch.autograd.grad(scores.sum(), conv2)[0]}


class TestInputsOfManyKinds:
    @pytest.mark.parametrize("named", [False, True])
    def test_several_inputs(self, named: bool) -> None:
        model, image, extra = seeded(TwoInputs), images(), images(2, 5)
        inputs = {"image": image, "extra": extra} if named else (image, extra)
        trace = look(model, inputs, BOTH)
        assert_exact(trace, uncut(model, inputs, BOTH, CLASSES))
        assert trace.space == (8, 7)

    @pytest.mark.parametrize("dims", [1, 2, 3])
    def test_any_number_of_dimensions(self, dims: int) -> None:
        model, x = Spec(dims=dims).build()
        names = ["features.conv0", "features.act1"]
        assert_exact(look(model, x, names), uncut(model, x, names, CLASSES))


class TestTargets:
    def test_several_scores_equal_themselves_alone_and_cost_a_gradient_call_each(self) -> None:
        model, tally = seeded(Plain), Tally()
        many = PinnedClasses(torch.tensor([[0, 1, 2], [2, 0, 1]]), plural=True)
        other = PinnedClasses(torch.tensor([[1], [1]]))
        with untouched(model):
            trace = observe(model, images(), [Tap("conv1")], lambda _: [many, other], gradients=True, tally=tally)
        assert trace.gradients[Tap("conv1")].shape == (2, 4, 4, 8, 7)
        assert trace.columns == (slice(0, 3), slice(3, 4))
        assert (tally.forwards, tally.gradient_calls) == (1, 4)
        for column, classes in enumerate([[0, 2], [1, 0], [2, 1], [1, 1]]):
            _, _, gradients = uncut(model, images(), ["conv1"], classes)
            assert torch.equal(trace.gradients[Tap("conv1")][:, column], gradients["conv1"])

    def test_without_a_need_for_gradients_there_are_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model, tally = seeded(Plain), Tally()
        counts = counted(monkeypatch, model)
        with untouched(model):
            pinned = PinnedClasses(torch.tensor([[0], [1]]))
            trace = observe(model, images(), [Tap("conv1")], lambda _: [pinned], gradients=False, tally=tally)
        assert counts == {"forwards": 1, "gradient calls": 0}
        assert (tally.forwards, tally.gradient_calls, trace.gradients) == (1, 0, {})

    @pytest.mark.parametrize("build", [NoGrad, Inference])
    def test_nor_in_a_model_that_switches_grad_off(self, build: type[nn.Module]) -> None:
        model, tally = seeded(build), Tally()
        with untouched(model):
            pinned = PinnedClasses(torch.tensor([[0], [1]]))
            trace = observe(model, images(), [Tap("conv1")], lambda _: [pinned], gradients=False, tally=tally)
        assert torch.equal(trace.activations[Tap("conv1")], model.conv1(images()))
        assert tally.forwards == 1

    @pytest.mark.parametrize(("build", "passes"), [(Plain, 1), (NoGrad, 2), (FrozenBackbone, 2), (Beside, 1)])
    def test_a_second_pass_is_paid_only_where_the_first_is_broken(self, build: type[nn.Module], passes: int) -> None:
        tally = Tally()
        look(seeded(build), images(), ["conv1"], tally=tally)
        assert tally.forwards == passes
