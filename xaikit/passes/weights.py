"""The weights that a pass computes with: the model's own, or detached ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


def attempt(model: nn.Module, work: Callable[[bool], T | None]) -> T:
    """``work(grad=False)``: a pass that records nothing before its taps, on the model's own weights where they are usable.

    Where that gives None, as where a forward switched grad off on the way, ``work(grad=True)`` on detached weights.
    """
    result = on_usable_weights(model, lambda: work(False))
    if result is None:
        result = on_detached_weights(model, lambda: work(True))
    assert result is not None  # there is no third attempt
    return result


def on_usable_weights(model: nn.Module, work: Callable[[], T]) -> T:
    """Call ``work()``; on detached weights where some were made in inference mode, as autograd cannot save those."""
    return on_detached_weights(model, work) if has_inference_weights(model) else work()


def has_inference_weights(model: nn.Module) -> bool:
    """Whether parameters or buffers were made in inference mode."""
    return any(value.is_inference() for _, value in state_of(model))


def on_detached_weights(model: nn.Module, work: Callable[[], T]) -> T:
    """Call ``work()`` while the model computes with detached weights; the model's own tensors are in their place again
    afterwards.

    With weights that require no grad, grad mode can be on throughout and the part before the taps still records nothing:
    so a forward that switches grad off for a while goes back to "on".
    """
    weights = {
        f"model.{name}": value.detach().clone() if value.is_inference() else value.detach()
        for name, value in state_of(model)
    }
    result: T = torch.func.functional_call(_Host(model), weights, (work,))
    return result


class _Host(nn.Module):
    """What ``functional_call`` calls: the model is its child, the work its argument."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Any) -> Any:
        return work()


def state_of(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Parameters and buffers by name."""
    return [*model.named_parameters(), *model.named_buffers()]
