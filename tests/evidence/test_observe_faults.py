"""What a pass says when it cannot be had; the model is as before, whatever is raised."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers.hard_nets import Aliased, Beside, Plain, Raising, Stochastic, Twice, Unused, images, seeded
from helpers.untouched import untouched
from xaikit.errors import ConfigError, Disconnected, TapError
from xaikit.evidence.observe import observe
from xaikit.evidence.taps import Tap
from xaikit.targets import FunctionTarget, PinnedClasses

LIVES = {
    "trainable": lambda model: model,
    "frozen": lambda model: model.requires_grad_(False),
    "in training": lambda model: model.train(),
}


def observed(model: nn.Module, inputs: Tensor, names: list[str]) -> None:
    pinned = PinnedClasses(torch.tensor([[2], [0]]))
    with untouched(model, inputs):
        observe(model, inputs, [Tap(name) for name in names], lambda _: [pinned], gradients=True)


class Mapped(Plain):
    """Its second layer is given one sample after another, by a transform of functions."""

    def features(self, x: Tensor) -> Tensor:
        one = torch.func.vmap(lambda each: self.act2(self.conv2(each[None]))[0])
        mapped: Tensor = one(self.act1(self.conv1(x)))
        return mapped


class TestFaults:
    @pytest.mark.parametrize(
        ("build", "name", "error", "message"),
        [
            (Twice, "conv2", TapError, r"layer conv2 ran 2 times in one forward"),
            (Unused, "conv2", TapError, r"layer conv2 never ran in this forward"),
            (
                Mapped,
                "conv2",
                TapError,
                r"layer conv2: expected what it returns for the batch, got one sample's inside",
            ),
            (Aliased, "conv1", TapError, r"layer conv1: what it returned was changed in place through an alias"),
            (
                Beside,
                "conv2",
                Disconnected,
                r"the score \(class .*\) does not depend on layer conv2: it lies beside the way",
            ),
            (Plain, "head", TapError, r"layer head returned \(2, 3\) for inputs \(2, 2, 8, 7\): expected a map"),
        ],
    )
    @pytest.mark.parametrize("life", LIVES)
    def test_a_tap_that_cannot_be_served(
        self, build: type[nn.Module], name: str, error: type[Exception], message: str, life: str
    ) -> None:
        model = seeded(build)
        LIVES[life](model)
        with pytest.raises(error, match=message):
            observed(model, images(), [name])

    def test_a_score_past_all_layers_is_disconnected(self) -> None:
        model = seeded(Plain)
        with pytest.raises(Disconnected, match="conv1"), untouched(model):
            observe(model, images(), [Tap("conv1")], lambda _: [Constant()], gradients=True)

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
    def test_a_model_that_raises(self, error: type[BaseException]) -> None:
        with pytest.raises(error, match="on the way"):
            observed(seeded(lambda: Raising(error)).train(), images(), ["conv1"])

    def test_a_model_that_raises_on_detached_weights(self) -> None:
        with torch.inference_mode():
            model = seeded(lambda: Raising(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            observed(model, images(), ["conv1"])

    def test_a_bad_target(self) -> None:
        model = seeded(Stochastic).train()
        with pytest.raises(ConfigError, match=r"expected scores of shape \(N,\) or \(N, T\)"), untouched(model):
            observe(
                model,
                images(),
                [Tap("conv1")],
                lambda o: [FunctionTarget(lambda o: o.sum()).pin(o, None)],
                gradients=True,
            )


class Constant:
    """A target that looks at nothing."""

    plural = False

    def scores(self, output: Tensor) -> Tensor:
        return torch.ones(output.shape[0], 1, dtype=output.dtype)
