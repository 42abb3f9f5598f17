"""Who else has the model in the middle of a pass: another thread, a task of asyncio, a copy that the model made of itself."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.passes.nests import copied, tensors_in

MOST_FORWARDS = 4
"""That bystanders come to in one block."""


Predict = Callable[[nn.Module], list[Tensor]]


@contextmanager
def bystanders(model: nn.Module, name: str, inputs: Any) -> Iterator[None]:
    """Predict with a model in the middle of its own forwards, as somebody who knows nothing of them.

    Args:
        model: in evaluation mode.
        name: of the module whose call is the middle.
        inputs: a tensor, a tuple or a dict.

    Raises:
        AssertionError: a bystander got another output than before the block, a graph with it, or a hook.
    """

    def predict(model: nn.Module) -> list[Tensor]:
        with torch.no_grad():
            output = model(**inputs) if isinstance(inputs, dict) else model(*_as_tuple(inputs))
        return [tensor for _, tensor in tensors_in(output)]

    expected = _in_a_thread(predict, model)
    faults: list[str] = []
    forwards = _Counter()

    def middle(module: nn.Module, args: Any) -> None:
        # a bystander comes here as well
        if not forwards.busy and forwards.count < MOST_FORWARDS:
            with forwards.counted():
                faults.extend(_faults(model, predict, expected, hooks))

    handle = model.get_submodule(name).register_forward_pre_hook(middle)
    hooks = _hooks(model)
    try:
        yield
    finally:
        left = _hooks(model) - hooks
        handle.remove()
    assert left == 0, f"expected no hook to be left behind, got {left}"
    assert not faults, f"bystanders saw a pass: {', '.join(dict.fromkeys(faults))}"


class _Counter:
    count = 0
    busy = False

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.count, self.busy = self.count + 1, True
        try:
            yield
        finally:
            self.busy = False


def _as_tuple(inputs: Any) -> tuple[Any, ...]:
    return tuple(copied(inputs)) if isinstance(inputs, tuple) else (copied(inputs),)


def _faults(model: nn.Module, predict: Predict, expected: list[Tensor], hooks: int) -> Iterator[str]:
    made = copy.deepcopy(model)
    everybody = {
        "another thread": (_in_a_thread, model, torch.equal),
        "a task of asyncio": (_in_a_task, model, torch.equal),
        # in this thread, where a pass may ask for other kernels
        "a copy of the model": (_at_once, made, torch.allclose),
    }
    for who, (run, one, same) in everybody.items():
        try:
            outputs = run(predict, one)
        except BaseException as error:
            yield f"{who} got {type(error).__name__}: {error}"
            continue
        # attention of a copy is recorded with the model's: the forward that runs it is the same
        if one is model and any(output.requires_grad for output in outputs):
            yield f"{who} got a graph"
        if len(outputs) != len(expected) or not all(map(same, outputs, expected)):
            yield f"{who} got another output"
    if _hooks(made) > hooks:
        yield "a copy of the model got a hook"


def _at_once(predict: Predict, model: nn.Module) -> list[Tensor]:
    return predict(model)


def _in_a_thread(predict: Predict, model: nn.Module) -> list[Tensor]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(predict, model).result()


def _in_a_task(predict: Predict, model: nn.Module) -> list[Tensor]:
    async def main() -> list[Tensor]:
        return await asyncio.to_thread(predict, model)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, main()).result()


def _hooks(model: nn.Module) -> int:
    return sum(len(each) for each in chain(*((m._forward_hooks, m._forward_pre_hooks) for m in model.modules())))
