"""The kit can fail: one planted change each, and it has to be named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.untouched import untouched

Plant = Callable[[nn.Sequential, Tensor, ExitStack], object]


def change(value: Tensor, by: int = 1) -> None:
    with torch.no_grad():
        value.add_(by)


def unnoticed(value: Tensor) -> None:
    """The values and not the version."""
    value.data[0] = 5


def exchange(module: nn.Module, name: str, value: object) -> None:
    delattr(module, name)
    setattr(module, name, value)


def new_gradient(net: nn.Sequential) -> None:
    net[0].weight.grad = net[0].weight.grad.clone()


def grad_mode(undo: ExitStack, on: bool) -> None:
    undo.callback(torch.set_grad_enabled, torch.is_grad_enabled())
    torch.set_grad_enabled(on)


def fast_path(undo: ExitStack) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    undo.callback(torch.backends.mha.set_fastpath_enabled, before)
    torch.backends.mha.set_fastpath_enabled(not before)


def global_hook(undo: ExitStack) -> None:
    undo.callback(nn.modules.module.register_module_forward_hook(lambda *_: None).remove)


PLANTS: dict[str, tuple[str, Plant]] = {
    "a parameter changed in place": (r"model\.0\.weight: values", lambda net, x, undo: change(net[0].weight)),
    "a parameter touched and put back": (r"model\.0\.weight: version", lambda net, x, undo: change(net[0].weight, 0)),
    "its values changed without a version": (r"model\.0\.bias: values", lambda net, x, undo: unnoticed(net[0].bias)),
    "another parameter of equal values": (
        r"model\.0\.weight: object",
        lambda net, x, undo: exchange(net[0], "weight", nn.Parameter(net[0].weight.detach().clone())),
    ),
    "another storage": (
        r"model\.0\.weight: object",
        lambda net, x, undo: setattr(net[0].weight, "data", net[0].weight.data.clone()),
    ),
    "a buffer changed": (r"model\.1\.running_mean: values", lambda net, x, undo: change(net[1].running_mean)),
    "a counting buffer": (r"model\.1\.num_batches_tracked: values", lambda net, x, undo: net.train()(x)),
    "a frozen parameter": (
        r"model\.0\.weight: requires_grad",
        lambda net, x, undo: net[0].weight.requires_grad_(False),
    ),
    "a gradient accumulated": (r"model\.0\.weight\.grad: values", lambda net, x, undo: net[0](x).sum().backward()),
    "a gradient of equal values": (r"model\.0\.weight\.grad: object", lambda net, x, undo: new_gradient(net)),
    "a gradient dropped": (r"model\.0\.weight\.grad: object", lambda net, x, undo: net.zero_grad()),
    "a gradient that was none": (
        r"model\.0\.bias\.grad: object",
        lambda net, x, undo: setattr(net[0].bias, "grad", torch.zeros(3)),
    ),
    "one training flag": (r"model\.2\.training", lambda net, x, undo: net[2].eval()),
    "a forward hook": (
        r"model\.2\._forward_hooks",
        lambda net, x, undo: net[2].register_forward_hook(lambda *_: None),
    ),
    "a forward pre-hook": (
        r"model\._forward_pre_hooks",
        lambda net, x, undo: net.register_forward_pre_hook(lambda *_: None),
    ),
    "a backward hook": (
        r"model\.2\._backward_hooks",
        lambda net, x, undo: net[2].register_full_backward_hook(lambda *_: None),
    ),
    "a hook on a parameter": (
        r"model\.0\.weight: hooks",
        lambda net, x, undo: net[0].weight.register_hook(lambda grad: grad),
    ),
    "a hook on all modules": ("_global_forward_hooks", lambda net, x, undo: global_hook(undo)),
    "a child exchanged": (r"model\.2", lambda net, x, undo: net.__setitem__(2, nn.ReLU())),
    "a child added": (r"model\.more", lambda net, x, undo: net.add_module("more", nn.Identity())),
    "an attribute added": (r"model\.0: attributes", lambda net, x, undo: setattr(net[0], "seen", 1)),
    "an attribute changed": (r"model\.2\.inplace", lambda net, x, undo: setattr(net[2], "inplace", True)),
    "a forward replaced": (r"model\.0\.forward", lambda net, x, undo: setattr(net[0], "forward", lambda x: x)),
    "another class": (r"model\.2: class", lambda net, x, undo: setattr(net[2], "__class__", nn.ReLU6)),
    "grad mode": ("grad mode", lambda net, x, undo: grad_mode(undo, False)),
    "inference mode": ("inference mode", lambda net, x, undo: undo.enter_context(torch.inference_mode())),
    "autocast": ("autocast cpu", lambda net, x, undo: undo.enter_context(torch.autocast("cpu", torch.bfloat16))),
    "the attention fast path": ("attention fast path", lambda net, x, undo: fast_path(undo)),
    "the compile stance": (
        "compile stance",
        lambda net, x, undo: undo.enter_context(torch.compiler.set_stance("force_eager")),
    ),
    "torch's random numbers": ("torch random state", lambda net, x, undo: torch.rand(1)),
    "numpy's random numbers": ("numpy random state", lambda net, x, undo: np.random.rand()),
    "python's random numbers": ("python random state", lambda net, x, undo: random.random()),
    "the input changed": (r"input\[0\]: values", lambda net, x, undo: change(x)),
    "the input asked for a gradient": (r"input\[0\]: requires_grad", lambda net, x, undo: x.requires_grad_()),
}


@pytest.fixture
def net() -> Iterator[nn.Sequential]:
    with torch.random.fork_rng(devices=[]):
        states = random.getstate(), np.random.get_state()
        net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU())
        net(torch.rand(4, 2)).pow(2).sum().backward()
        net[0].bias.grad = None
        yield net
        random.setstate(states[0])
        np.random.set_state(states[1])


@pytest.mark.parametrize("change", PLANTS)
def test_a_planted_change_is_named(net: nn.Sequential, change: str) -> None:
    import torch._dynamo  # the stance is a fact once this is imported

    named, plant = PLANTS[change]
    x = torch.ones(4, 2)
    with ExitStack() as undo, pytest.raises(AssertionError, match=f"touched: .*{named}"), untouched(net, x):
        plant(net, x, undo)


def test_a_change_is_found_where_the_block_raises(net: nn.Sequential) -> None:
    def interrupted() -> None:
        with untouched(net):
            net[1].eval()
            raise KeyboardInterrupt

    with pytest.raises(AssertionError, match=r"model\.1\.training") as caught:
        interrupted()
    assert isinstance(caught.value.__context__, KeyboardInterrupt)


def test_a_change_in_a_nest_of_inputs_is_named(net: nn.Sequential) -> None:
    nest = {"pair": (torch.zeros(1), [torch.zeros(2)])}
    with pytest.raises(AssertionError, match=r"input\[0\]\[pair\]\[1\]\[0\]: values"), untouched(net, nest):
        nest["pair"][1][0].add_(1)


def test_values_that_are_no_numbers_count_as_unchanged(net: nn.Sequential) -> None:
    with untouched(net, torch.tensor([float("nan")])):
        pass


def test_what_only_reads_passes(net: nn.Sequential) -> None:
    net.eval()
    x = torch.ones(4, 2)
    with untouched(net, x):
        torch.autograd.grad(net(x).sum(), list(net.parameters()), allow_unused=True)


def test_what_the_block_raises_comes_through(net: nn.Sequential) -> None:
    with pytest.raises(ZeroDivisionError), untouched(net):
        raise ZeroDivisionError
