"""The conditions of a pass are undone afterwards; what cannot be explained is refused with what to do instead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.hard_nets import Plain, Stochastic, images, seeded
from helpers.untouched import untouched
from xaikit.errors import TapError
from xaikit.evidence.conditions import undisturbed, unwrapped
from xaikit.evidence.taps import resolve
from xaikit.passes.modules import module_at


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


def test_attention_leaves_its_fast_path_in_this_thread_alone() -> None:
    layer = seeded(lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True))
    encoder = nn.TransformerEncoder(layer, 2).eval()
    attention = seeded(lambda: nn.MultiheadAttention(4, 2, batch_first=True))
    x = images(2, 5, 4)
    fast: list[str] = []

    class Seen(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            fast.extend([str(func)] if "encoder_layer" in str(func) or "native_multi_head" in str(func) else [])
            return func(*args, **(kwargs or {}))

    def run() -> int:
        fast.clear()
        with torch.no_grad(), Seen():
            encoder(x)
            layer(x)
            attention(x, x, x)
        return len(fast)

    expected = run()
    assert expected >= 3
    for model in (encoder, layer, attention):
        with untouched(model), undisturbed(model), ThreadPoolExecutor(1) as pool:
            assert run() == 0
            assert pool.submit(run).result() == expected


def test_compiled_code_runs_eagerly() -> None:
    import torch._dynamo

    model = seeded(Plain)
    with untouched(model), undisturbed(model):
        assert torch._dynamo.eval_frame._stance.stance == "force_eager"


def test_a_wrapper_that_hands_on_every_attribute_is_explained_itself() -> None:
    class Wrapper(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("inner"), name)

        def forward(self, x: Any) -> Any:
            return -10 * self.inner(x)

    for inner in (seeded(Plain), torch.compile(seeded(Plain), backend="eager"), nn.DataParallel(seeded(Plain))):
        model = Wrapper(inner)
        assert unwrapped(model) is model
        assert unwrapped(torch.compile(model, backend="eager")) is model


def test_a_layer_behind_a_wrapper_of_a_compiled_one_has_its_plain_name() -> None:
    inner = torch.compile(seeded(Plain), backend="eager")
    model = nn.Sequential(inner)
    (tap,) = resolve(model, "0.conv1")
    assert (tap,) == resolve(model, inner.conv1)
    assert module_at(model, "0.conv1") is inner.conv1
    assert module_at(model, "0") is unwrapped(inner)


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
