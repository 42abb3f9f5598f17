"""The nets of the kit: small, seeded, in float64, the simplest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

CLASSES = 3
CHANNELS = 4
CONVOLUTIONS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@dataclass(frozen=True)
class NetCase:
    """A net, a layer of it, and inputs.

    name     as a failing check says it
    build    a net in evaluation mode, the same every time
    layer    the tap
    space    of the inputs
    stride   pixels a place at the tap
    """

    name: str
    build: Callable[[], nn.Module]
    layer: str
    space: tuple[int, ...] = (6, 5)
    stride: int = 1

    @property
    def grid(self) -> tuple[int, ...]:
        """The space of the map."""
        return tuple(-(-side // self.stride) for side in self.space)

    def net(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """The net; the global random state is kept."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.build().eval().to(dtype)

    def as_map(self, tensor: Tensor) -> Tensor:
        """What the tap returned as (N, C, *grid): of tokens the last ones, which are the places."""
        if tensor.dim() == len(self.space) + 2:
            return tensor
        return tensor[:, -prod(self.grid) :].transpose(1, 2).reshape(len(tensor), -1, *self.grid)

    def inputs(self, samples: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
        """Normal numbers, (samples, 2, *space)."""
        generator = torch.Generator().manual_seed(1)
        return torch.randn(samples, 2, *self.space, generator=generator, dtype=torch.float64).to(dtype)


class Net(nn.Module):
    """conv, act, [tail] and a head; ``act`` is the map that is pooled where there is no tail.

    Args:
        dims: of space, 1 to 3.
        act: what is behind the convolution; its output is nowhere negative for a ReLU.
        stride: input pixels a place.
        tail: a second convolution and a smooth function before pooling, so that the score is no linear one of ``act``.
    """

    def __init__(self, dims: int = 2, act: nn.Module | None = None, tail: bool = False, stride: int = 1) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dims]
        self.conv = convolution(2, CHANNELS, 3, stride=stride, padding=1)
        self.act = act or nn.ReLU()
        self.tail = nn.Sequential(convolution(CHANNELS, CHANNELS, 3), nn.Softplus()) if tail else nn.Identity()
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.tail(self.act(self.conv(x))).flatten(2).mean(2))


class Tokens(Net):
    """The same numbers as :class:`Net`, as tokens (N, 1 + places, C) behind one that is no place."""

    class Block(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)
            return torch.cat([tokens.new_ones(len(tokens), 1, CHANNELS), tokens], 1)

    def __init__(self) -> None:
        super().__init__()
        self.block = Tokens.Block()

    def forward(self, x: Tensor) -> Any:
        tokens = self.block(self.act(self.conv(x)))
        return self.head(tokens[:, 1:].mean(1))


class Flat(Net):
    """``act`` flattened, not pooled: every place has a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.head = nn.Linear(CHANNELS * 9, CLASSES)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.pool(self.act(self.conv(x))).flatten(1))


class Attending(nn.Module):
    """A tiny transformer: patches of 2 x 2 behind a class token, two blocks of attention with two heads."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(CHANNELS, 3 * CHANNELS)
            self.norm = nn.LayerNorm(CHANNELS)
            self.mlp = nn.Sequential(nn.Linear(CHANNELS, CHANNELS), nn.GELU())

        def forward(self, tokens: Tensor) -> Any:
            query, key, value = self.qkv(tokens).unflatten(2, (3, 2, -1)).movedim((2, 3), (0, 2))
            tokens = tokens + scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
            return tokens + self.mlp(self.norm(tokens))

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(2, CHANNELS, 2, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, CHANNELS))
        self.blocks = nn.Sequential(Attending.Block(), Attending.Block())
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: Tensor) -> Any:
        patches = self.embed(x).flatten(2).transpose(1, 2)
        tokens = self.blocks(torch.cat([self.token.expand(len(x), -1, -1), patches], 1))
        return self.head(tokens[:, 0])


POOLED = NetCase("a convolution, ReLU, pooling and a linear head", Net, "act")
TAIL = NetCase("two convolutions with a smooth function", lambda: Net(tail=True, stride=2), "act", (11, 10), 2)
SIGNED = NetCase("signed activations before a ReLU", lambda: Net(act=nn.ReLU(inplace=True)), "conv")
FLAT = NetCase("a convolution, ReLU and a linear head on every place", Flat, "act")
TOKENS = NetCase("the same as tokens behind a class token", Tokens, "block")
LINE = NetCase("one dimension of space", lambda: Net(1, tail=True), "act", (12,))
SOLID = NetCase("three dimensions of space", lambda: Net(3, tail=True), "act", (4, 3, 3))
ATTENTION = NetCase("two blocks of attention behind a class token", Attending, "blocks.0", (8, 6), 2)
CASES = (POOLED, FLAT, TAIL, SIGNED, LINE, SOLID, ATTENTION)
