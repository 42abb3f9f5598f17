"""The conditions of a pass are undone afterwards; what cannot be explained is refused with what to do instead."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.hard_nets import Plain, Stochastic, seeded
from helpers.untouched import untouched
from xaikit.errors import TapError
from xaikit.evidence.conditions import undisturbed, unwrapped


def test_every_module_evaluates_and_trains_again_where_it_did() -> None:
    model = seeded(Stochastic).train()
    model.norm.eval()
    with untouched(model), undisturbed(model):
        assert not any(module.training for module in model.modules())
    assert model.drop.training
    assert not model.norm.training


def test_a_models_own_train_and_eval_are_not_called() -> None:
    class Stubborn(Plain):
        def train(self, mode: bool = True) -> Plain:
            raise AssertionError("called")

    model = Stubborn()
    with untouched(model), undisturbed(model):
        assert not model.training


def test_inference_mode_is_left_and_entered_again() -> None:
    model = seeded(Plain)
    with torch.inference_mode(), untouched(model), undisturbed(model):
        assert not torch.is_inference_mode_enabled()


def test_the_attention_fast_path_is_off_and_as_before_afterwards() -> None:
    model = seeded(Plain)
    with untouched(model), undisturbed(model):
        assert not torch.backends.mha.get_fastpath_enabled()


def test_compiled_code_runs_eagerly() -> None:
    import torch._dynamo

    model = seeded(Plain)
    with untouched(model), undisturbed(model):
        assert torch._dynamo.eval_frame._stance.stance == "force_eager"


def test_random_numbers_drawn_inside_are_not_missed_outside() -> None:
    model = seeded(Plain)
    with untouched(model), undisturbed(model):
        torch.rand(5)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_all_is_undone_when_the_block_raises(error: type[BaseException]) -> None:
    def work() -> None:
        with torch.inference_mode(), untouched(model), undisturbed(model):
            torch.rand(5)
            raise error

    model = seeded(Stochastic).train()
    with pytest.raises(error):
        work()


def test_wrappers_are_looked_through() -> None:
    model = seeded(Plain)
    assert unwrapped(model) is model
    assert unwrapped(nn.DataParallel(model)) is model
    assert unwrapped(torch.compile(nn.DataParallel(model))) is model


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TapError, match=r"model: expected a torch\.nn\.Module, got function; of an exported program"):
        unwrapped(lambda x: x)


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_scripted_modules_are_refused_by_name() -> None:
    scripted = torch.jit.trace(nn.ReLU(), torch.zeros(1))
    with pytest.raises(TapError, match="but it is scripted or traced, where hooks do not run"):
        unwrapped(scripted)
    with pytest.raises(TapError, match=r"but the submodule 1 is scripted or traced"):
        unwrapped(nn.Sequential(nn.ReLU(), scripted))


def test_a_model_without_values_is_refused() -> None:
    with pytest.raises(
        TapError, match=r"model: conv1\.weight is on the meta device and has no values: load the weights"
    ):
        unwrapped(Plain().to("meta"))
