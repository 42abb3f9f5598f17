"""Nets with one step behind a layer, and the multipliers at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

import xaikit
from xaikit.needs import Needs
from xaikit.view import View

Step = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class MultipliersProbe:
    """A method that keeps the multipliers it is given."""

    multipliers: list[Tensor] = field(default_factory=list, hash=False)

    needs: ClassVar[Needs] = Needs(replays=True)

    def explain(self, view: View) -> Tensor:
        self.multipliers.append(view.multipliers())
        return (self.multipliers[-1] * view.activations).sum(view.channel)


def multipliers_at(net: nn.Module, x: Tensor, layer: str, target: Any = 0) -> tuple[Tensor, xaikit.Explanation]:
    """The multipliers (N, T, C, *S), and the explanation whose map is multipliers times activations over the channels."""
    method = MultipliersProbe()
    explanation = xaikit.explain(net, x, {"probe": method}, layers=layer, target=target)["probe"]
    return method.multipliers[0], explanation


class Through(nn.Module):
    """A convolution ``tap``, some step, and a pooled classifier."""

    def __init__(self, step: Step, channels: int = 4) -> None:
        super().__init__()
        self.tap = nn.Conv2d(2, 4, 3, padding=1)
        self.mix = nn.Conv2d(4, 4, 3, padding=1)
        self.step = step
        self.head = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.step(self.mix(self.tap(x))).flatten(2).mean(2))
        return scores


def built(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval().double()


def pictures(samples: int = 3) -> Tensor:
    return torch.randn(samples, 2, 6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def without(net: nn.Module, x: Tensor, layer: str) -> Tensor:
    """The scores with zero at a layer, by a hook of its own."""
    handle = net.get_submodule(layer).register_forward_hook(lambda module, args, output: torch.zeros_like(output))
    with torch.no_grad():
        scores: Tensor = net(x)
    handle.remove()
    return scores
