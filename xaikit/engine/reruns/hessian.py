"""Second-order evidence: the Hessian of a score at a tap, times a vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge
from torch.nn.attention import SDPBackend, sdpa_kernel

from xaikit.errors import ConfigError
from xaikit.evidence import conditions, forward
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call
from xaikit.evidence.nests import copied
from xaikit.evidence.observe import Tally
from xaikit.evidence.recorder import Recording
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Place
from xaikit.targets import Pinned

_ONCE = ("is not implemented", "double backward", "differentiate twice")
"""What torch and torchvision say of a function that can be differentiated once only."""


SEVERED = "torch::autograd::Error"
"""Where the graph of a gradient ends at a function marked ``once_differentiable``."""


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
            found = forward.select(call(model, copied(inputs)), output)
        (point,) = [point.tensor for point in recording.recorded().points[tap] if point.path == place.path]
        with torch.enable_grad():
            scores = pinned.scores(found)
            if not grad and (recording.severed or not scores.requires_grad):
                return None
            tally.gradient_calls += 2 * scores.shape[1]
            columns = [_column(scores[:, t], point, place, vector[:, t]) for t in range(scores.shape[1])]
            return torch.stack(columns, 1)

    with undisturbed(model), sdpa_kernel(SDPBackend.MATH):
        product = conditions.on_usable_weights(model, lambda: work(grad=False))
        # as for the first derivative: once more where grad was switched off on the way
        found: Tensor = conditions.on_detached_weights(model, lambda: work(grad=True)) if product is None else product
        return found


def _column(score: Tensor, point: Tensor, place: Place, vector: Tensor) -> Tensor:
    """The product for one target: (N, C, *S)."""
    # what is pulled back requires grad too: every gradient depends on it, unless its graph was cut off
    seed = torch.ones_like(score, requires_grad=True)
    (gradient,) = torch.autograd.grad(score, point, seed, create_graph=True, allow_unused=True)
    if gradient is None:
        return torch.zeros_like(vector)
    if _is_severed(gradient, seed, point):
        raise _refused("its backward is marked once_differentiable, or computed without grad")
    # prefix tokens are no part of the vector
    full = place.layout.from_map(vector.to(gradient.dtype), torch.zeros_like(gradient))
    try:
        (product,) = torch.autograd.grad(gradient, point, full, allow_unused=True, retain_graph=True)
    except RuntimeError as error:
        if not any(said in str(error) for said in _ONCE):
            raise
        raise _refused(str(error)) from error
    # none where the gradient does not depend on the point: the tail is linear
    return torch.zeros_like(vector) if product is None else place.layout.to_map(product).detach()


def _is_severed(gradient: Tensor, seed: Tensor, point: Tensor) -> bool:
    """Whether the graph of a gradient has a dead end, or does not lead back to what was pulled back.

    torch passes over both, as if nothing but linear lay behind.
    """
    start = get_gradient_edge(seed).node
    seen: set[Node] = {get_gradient_edge(point).node}
    ahead = [gradient.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        if node.name() == SEVERED:
            return True
        seen.add(node)
        ahead += [parent for parent, _ in node.next_functions]
    return start not in seen


def _refused(why: str) -> ConfigError:
    return ConfigError(
        "expected functions between layer and score that can be differentiated twice, for a Hessian product (hvp), got "
        f"one that cannot ({why}); take a method without, such as gradcam"
    )
