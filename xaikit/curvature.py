"""Second-order evidence: the Hessian of a score at a tap, times a vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from xaikit import capture, outputs
from xaikit.calling import call, copied
from xaikit.conditions import undisturbed
from xaikit.errors import ConfigError
from xaikit.layers import Tap
from xaikit.observe import Tally
from xaikit.recording import Recording
from xaikit.targets import Pinned
from xaikit.view import Place

_ONCE = ("is not implemented", "double backward", "differentiate twice")
"""What torch and torchvision say of a function that can be differentiated once only."""


def hessian_product(
    model: nn.Module,
    inputs: Any,
    tap: Tap,
    place: Place,
    pinned: Pinned,
    vector: Tensor,
    output: str | int,
    tally: Tally,
) -> Tensor:
    """The Hessian of every score at the tap times a vector, both (N, T, C, *S); zero where the tail is linear.

    A pass of its own, with attention computed by its mathematical definition: fused attention has no second derivative.
    """

    def work(grad: bool) -> Tensor | None:
        recording = Recording([tap], differentiate=True)
        tally.forwards += 1
        tally.reruns += 1
        with torch.set_grad_enabled(grad), recording.hooked(model):
            found = outputs.select(call(model, copied(inputs)), output)
        (point,) = [point.tensor for point in recording.recorded().points[tap] if point.path == place.path]
        with torch.enable_grad():
            scores = pinned.scores(found)
            if not grad and (recording.severed or not scores.requires_grad):
                return None
            tally.gradient_calls += 2 * scores.shape[1]
            columns = [_column(scores[:, t], point, place, vector[:, t]) for t in range(scores.shape[1])]
            return torch.stack(columns, 1)

    with undisturbed(model), sdpa_kernel(SDPBackend.MATH):
        product = capture.on_usable_weights(model, lambda: work(grad=False))
        # as for the first derivative: once more where grad was switched off on the way
        found: Tensor = capture.on_detached_weights(model, lambda: work(grad=True)) if product is None else product
        return found


def _column(score: Tensor, point: Tensor, place: Place, vector: Tensor) -> Tensor:
    """The product for one target: (N, C, *S)."""
    (gradient,) = torch.autograd.grad(score.sum(), point, create_graph=True, allow_unused=True)
    if gradient is None or not gradient.requires_grad:
        return torch.zeros_like(vector)
    # prefix tokens are no part of the vector
    full = place.layout.from_map(vector.to(gradient.dtype), torch.zeros_like(gradient))
    try:
        (product,) = torch.autograd.grad(gradient, point, full, allow_unused=True, retain_graph=True)
    except RuntimeError as error:
        if not any(said in str(error) for said in _ONCE):
            raise
        raise ConfigError(
            "expected functions between layer and score that can be differentiated twice, for a Hessian product, got "
            f"one that cannot ({error}); take a method without, such as gradcam"
        ) from error
    return torch.zeros_like(vector) if product is None else place.layout.to_map(product).detach()
