"""What a method leaves as it was: the model when a pass fails, whoever else uses it, the evidence of others, and memory."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.api import explain
from xaikit.engine.explainer import ChangedEvidence
from xaikit.testing.beside import bystanders
from xaikit.testing.checks import CheckFailed, expect
from xaikit.testing.explaining import explained
from xaikit.testing.nets import NetCase

FAULTS: tuple[type[BaseException], ...] = (RuntimeError, KeyboardInterrupt, torch.OutOfMemoryError)


def untouched_when_a_pass_fails(method: Any, case: NetCase) -> None:
    for fault, at in itertools.product(FAULTS, range(1, 4)):
        _fails(method, case, fault, at)


def _fails(method: Any, case: NetCase, fault: type[BaseException], at: int) -> None:
    """Forwards from the ``at``-th on raise in the middle; the kit around it says what was left behind."""
    net = case.net().train()
    count = 0

    def hook(module: nn.Module, args: Any) -> None:
        nonlocal count
        count += 1
        if count >= at:
            raise fault("planted by the kit")

    net.get_submodule("head").register_forward_pre_hook(hook)
    try:
        explained({"checked": method}, case, net=net)
    except fault:
        return
    expect(
        count < at or fault is torch.OutOfMemoryError,
        f"expected {fault.__name__} of forward {at} to come through, and it was swallowed",
    )


def bystanders_see_nothing(method: Any, case: NetCase) -> None:
    """Another thread, a task of asyncio and a copy of the model predict in the middle of a pass as ever."""
    net, x = case.net(), case.inputs()
    try:
        with bystanders(net, "head", x):
            explain(net, x, {"checked": method}, layers=case.layer, target=1)
    except AssertionError as error:
        raise CheckFailed(f"expected a model that others can use meanwhile: {error}") from error


def evidence_is_left_alone(method: Any, case: NetCase) -> None:
    """What a view shows is shown to other methods too, and may be changed by none."""
    try:
        explained({"checked": method}, case)
    except ChangedEvidence as error:
        raise CheckFailed(str(error)) from error


def nothing_is_left_behind(method: Any, case: NetCase) -> None:
    """Neither hooks nor tensors: what a method keeps would grow with every explanation."""
    net, x = case.net(), case.inputs()
    # what is there already is not looked through again: all of torch's modules and the process's tests
    gc.freeze()
    try:
        counts = []
        for times in (2, 5):
            for _ in range(times):
                explained({"checked": method}, case, net=net, inputs=x)
            counts.append(_tensors())
    finally:
        gc.unfreeze()
    more = counts[1] - counts[0]
    expect(more <= 0, f"expected no tensor to stay alive after an explanation, got {more} after five")


def _tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())
