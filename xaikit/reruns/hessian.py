"""Second-order evidence: the Hessian of a score at a tap, times a vector."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from xaikit._numeric import differentiate, nodes_behind
from xaikit.errors import ConfigError
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.trace import Place
from xaikit.passes.attention import AttentionByDefinition
from xaikit.passes.weights import attempt
from xaikit.reruns.context import PassContext

_ONCE = ("is not implemented", "double backward", "differentiate twice")
"""What torch and torchvision say of a function that can be differentiated once only."""


SEVERED = "torch::autograd::Error"
"""Where the graph of a gradient ends at a function marked ``once_differentiable``."""


def hessian_product(context: PassContext, vector: Tensor) -> Tensor:
    """The Hessian of every score at the tap times a vector, both (N, T, C, *S); zero where the tail is linear.

    A pass of its own, with attention computed by its mathematical definition: fused attention has no second derivative.
    """

    context.check_apart("hvp")

    def work(grad: bool) -> Tensor | None:
        scored = context.scores_at_tap(grad)
        if scored is None:
            return None
        scores, point = scored
        context.tally.gradient_calls += 2 * scores.shape[1]
        with torch.enable_grad():
            columns = [_column(scores[:, t], point, context.place, vector[:, t]) for t in range(scores.shape[1])]
            return torch.stack(columns, 1)

    with undisturbed(context.model, context.readout.mode), AttentionByDefinition():
        return attempt(context.model, work)


def _column(score: Tensor, point: Tensor, place: Place, vector: Tensor) -> Tensor:
    """The product for one target: (N, C, *S)."""
    # what is pulled back requires grad too: every gradient depends on it, unless its graph was cut off
    seed = torch.ones_like(score, requires_grad=True)
    (gradient,) = differentiate(score, point, seed, create_graph=True, allow_unused=True)
    if gradient is None:
        return torch.zeros_like(vector)
    if _is_severed(gradient, seed, point):
        raise _refused("its backward is marked once_differentiable, or computed without grad")
    # prefix tokens are no part of the vector
    full = place.layout.from_map(vector.to(gradient.dtype), torch.zeros_like(gradient))
    try:
        (product,) = differentiate(gradient, point, full, allow_unused=True, retain_graph=True)
    except RuntimeError as error:
        if not any(words in str(error) for words in _ONCE):
            raise
        raise _refused(str(error)) from error
    # none where the gradient does not depend on the point: the tail is linear
    return torch.zeros_like(vector) if product is None else place.layout.to_map(product).detach()


def _is_severed(gradient: Tensor, seed: Tensor, point: Tensor) -> bool:
    """Whether the graph of a gradient has a dead end, or does not lead back to what was pulled back.

    torch passes over both, as if nothing but linear lay behind.
    """
    nodes = list(nodes_behind(gradient.grad_fn, end=get_gradient_edge(point).node))
    return get_gradient_edge(seed).node not in nodes or any(node.name() == SEVERED for node in nodes)


def _refused(why: str) -> ConfigError:
    return ConfigError(
        "expected functions between layer and score that can be differentiated twice, for a Hessian product (hvp), got "
        f"one that cannot ({why}); take a method without, such as gradcam"
    )
