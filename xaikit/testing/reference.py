"""A formula restated slowly by its author, to be compared with the plugin: the one check that knows what is right."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xaikit.testing.checks import expect_close
from xaikit.testing.explaining import raw, served, twin
from xaikit.testing.nets import NetCase
from xaikit.testing.subjects import Subject
from xaikit.view import View

Reference = Callable[[Tensor, Tensor], Tensor] | Callable[[View], Tensor]
"""From one sample's activations A and gradients dy/dA, both (C, *S), to its raw map (*S); or, where a method makes
further passes, from its View to (N, T, *S), drawing the same numbers in the same order. Loops are welcome."""

TOLERANCE = 1e-9


def equals_its_reference(reference: Reference) -> Callable[[Subject], None]:
    """A check that the default options give what a reference gives, on every net of the kit and for every class."""

    by_view = len(inspect.signature(reference).parameters) == 1

    def work(subject: Subject) -> None:
        method = subject.instances()[0]
        for case in served(method):
            for index in range(3):
                expected = _of_view(reference, method, case, index) if by_view else _of_sample(reference, case, index)
                expect_close(raw(method, case, target=index), expected, TOLERANCE, f"on {case.name}, class {index}")

    return work


def _of_sample(reference: Any, case: NetCase, index: int) -> Tensor:
    return torch.stack([reference(a, g) for a, g in zip(*evidence(case, index), strict=True)])


def _of_view(reference: Any, method: Any, case: NetCase, index: int) -> Tensor:
    """By a method of the same name and options, so that it draws the same numbers."""
    return raw(twin(method, explain=lambda self, view: reference(view)), case, target=index)


def evidence(case: NetCase, index: int) -> tuple[Tensor, Tensor]:
    """Activations and gradients of a case by plain autograd on the whole graph, nothing of xaikit's engine."""
    net, outputs = case.net().requires_grad_(), []

    def keep(module: Any, args: Any, output: Tensor) -> Tensor:
        outputs.append(output)
        return output.clone()

    handle = net.get_submodule(case.layer).register_forward_hook(keep)
    score = net(case.inputs())[:, index].sum()
    handle.remove()
    (gradients,) = torch.autograd.grad(score, outputs)
    return case.as_map(outputs[0].detach()), case.as_map(gradients)
