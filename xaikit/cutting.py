"""The cut: which tensor of a pass becomes a leaf, and what all evidence of one pass has in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from xaikit.errors import TapError
from xaikit.layers import Tap


class Enough(BaseException):
    """Raised out of a forward whose taps have all fired, where nothing behind them is needed.

    Not an Exception: a model's own ``except Exception`` must not swallow it.
    """


@dataclass
class Course:
    """What the evidence of one pass has in common; apart from the recording, so that no cycle keeps its tensors alive.

    waiting  taps that have not fired, where the forward may stop behind the last one; else None
    """

    differentiate: bool
    waiting: set[Tap] | None = None
    has_leaf: bool = False
    severed: bool = False
    guards: list[Any] = field(default_factory=list)

    def check(self) -> None:
        """Notice that grad mode is off where a gradient has to pass."""
        self.severed = self.severed or (self.has_leaf and not torch.is_grad_enabled())

    def fired(self, tap: Tap) -> None:
        """Stop the forward if this was the last tap to wait for."""
        if self.waiting is not None:
            self.waiting.discard(tap)
            if not self.waiting:
                raise Enough

    def leave_inference_mode(self) -> None:
        """A model may enter inference mode in its own forward; what lies behind a tap has to be outside of it."""
        if torch.is_inference_mode_enabled():
            self.guards.append(torch._C._InferenceMode(False))

    def cut(self, tensor: Tensor, where: object) -> Tensor:
        """The tensor, or a leaf in its place where nothing has required grad so far; grad is on from there.

        Args:
            where: names the tensor in errors.
        """
        if not tensor.is_floating_point():
            raise TapError(f"layer {where}: expected floating-point numbers to differentiate, got {tensor.dtype}")
        self.check()
        if torch.is_grad_enabled() and tensor.requires_grad:
            return tensor
        self.has_leaf = True
        torch.set_grad_enabled(True)
        return tensor.detach().requires_grad_()
