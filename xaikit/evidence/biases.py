"""What layers add: the bias b = f(x) - J_f(x) x of every layer f at its input x, and the gradient of the score there.

For a convolution that is its bias, for batch normalization in evaluation beta - gamma mu / sigma, for any smooth function
what is left of it when its linear part is taken off. A network of such layers obeys y = x . dy/dx + sum b . dy/df
(Srinivas and Fleuret 2019, arXiv:1905.00780, Prop. 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from xaikit._numeric import exact
from xaikit.evidence.hooks import Cut, hooked, named
from xaikit.layouts import MapLayout
from xaikit.passes.added import added

HOMOGENEOUS = (
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Identity, nn.Flatten, nn.Unflatten, nn.Upsample, nn.PixelShuffle),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
)
"""Layers that add nothing in evaluation: f(ax) = a f(x)."""


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer in a pass.

    added     its bias, of the shape of its output or with ones in it
    output    the point there
    gradient  of the scores at its output, (T, *output); None where the scores do not depend on it
    """

    name: str
    added: Tensor
    output: Tensor
    gradient: Tensor | None = None


@dataclass(frozen=True)
class Bias:
    """What one call of a layer adds to the scores.

    name       of the layer
    added      its bias, of the shape of its output or with ones in it
    gradients  of the scores at its output, (N, T, *output)
    layout     of its output; None where that is no map
    """

    name: str
    added: Tensor
    gradients: Tensor
    layout: MapLayout | None

    @property
    def products(self) -> Tensor:
        """b . dy/df element by element: (N, T, C, *S) of a map, else (N, T, ...)."""
        products = exact(self.added).unsqueeze(1) * exact(self.gradients)
        if self.layout is None:
            return products
        maps = self.layout.to_map(products.flatten(0, 1))
        return maps.reshape(*products.shape[:2], *maps.shape[1:])

    def narrowed(self, columns: Any) -> Bias:
        """The same for some of the targets."""
        return replace(self, gradients=self.gradients[:, columns])


class BiasRecorder:
    """Records the calls of layers in one pass."""

    def __init__(self, cut: Cut) -> None:
        self._calls: list[tuple[str, nn.Module, Tensor, Tensor]] = []
        self._cut = cut
        self._received: dict[str, Tensor] = {}

    def listening(self, model: nn.Module) -> AbstractContextManager[None]:
        """Record the calls for the length of one forward."""
        return hooked(units(model), self._leave, self._enter)

    def _enter(self, name: str, module: nn.Module, args: Any) -> None:
        # from the first layer on grad is on, whatever the model says: its input is a leaf behind
        self._cut.leave_inference_mode()
        torch.set_grad_enabled(True)
        # an embedding looks things up
        if len(args) == 1 and isinstance(args[0], Tensor) and args[0].is_floating_point():
            self._received[name] = args[0].detach().clone()

    def _leave(self, name: str, module: nn.Module, args: Any, output: Any) -> Any:
        received = self._received.pop(name, None)
        if received is None or not isinstance(output, Tensor) or not output.is_floating_point():
            return None
        self._cut.leave_inference_mode()
        point = self._cut.point(output, name)
        self._calls.append((name, module, received, point))
        return point.clone()

    def layers(self) -> list[LayerCall]:
        """All that were called, when the forward has ended: what they add is computed by calling them again."""
        return [
            LayerCall(name, added(module, received, point.detach()), point)
            for name, module, received, point in self._calls
        ]


def units(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The smallest modules that compute something and may add something: those without children (what parametrizes weights is
    none), and those whose weights are all their own, such as a normalization with its activation inside."""
    inside: tuple[str, ...] = ()
    for name, module in named(model):
        if name.startswith(inside) or isinstance(module, HOMOGENEOUS):
            continue
        children = [child for part, child in module.named_children() if part != "parametrizations"]
        has_weights = any(True for _ in module.parameters(recurse=False))
        if not children or (has_weights and not any(True for child in children for _ in child.parameters())):
            inside = (*inside, f"{name}.")
            yield name, module
