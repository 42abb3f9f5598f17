"""The public kit that every engine test runs in, and calls counted without any help of xaikit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from xaikit.testing.facts import untouched

__all__ = ["counted", "untouched"]


def counted(monkeypatch: Any, model: nn.Module) -> dict[str, int]:
    """Forwards of the model and calls of ``torch.autograd.grad`` from now on, counted without any help of xaikit."""
    counts = {"forwards": 0, "gradient calls": 0}

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            counts[name] += 1
            return function(*args, **kwargs)

        return call

    model.register_forward_pre_hook(counting("forwards", lambda *_: None))
    monkeypatch.setattr(torch.autograd, "grad", counting("gradient calls", torch.autograd.grad))
    return counts
