"""A formula restated slowly by its author, to be compared with the plugin: the one check that knows what is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xaikit.testing.checks import expect_close
from xaikit.testing.explaining import raw, served
from xaikit.testing.nets import Case
from xaikit.testing.subjects import Subject

Reference = Callable[[Tensor, Tensor], Tensor]
"""From one sample's activations A and gradients dy/dA, both (C, *S), to its raw map (*S). Loops are welcome."""

TOLERANCE = 1e-9


def equals_its_reference(reference: Reference) -> Callable[[Subject], None]:
    """A check that the default options give what a reference gives, on every net of the kit and for every class."""

    def work(subject: Subject) -> None:
        method = subject.instances()[0]
        for case in served(method):
            for index in range(3):
                expected = torch.stack([reference(a, g) for a, g in zip(*evidence(case, index), strict=True)])
                expect_close(raw(method, case, target=index), expected, TOLERANCE, f"on {case.name}, class {index}")

    return work


def evidence(case: Case, index: int) -> tuple[Tensor, Tensor]:
    """Activations and gradients of a case by plain autograd on the whole graph, nothing of xaikit's engine."""
    net, kept = case.net().requires_grad_(), []

    def keep(module: Any, args: Any, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()

    handle = net.get_submodule(case.layer).register_forward_hook(keep)
    score = net(case.inputs())[:, index].sum()
    handle.remove()
    (gradients,) = torch.autograd.grad(score, kept)
    return kept[0].detach(), gradients
