"""Tiny transformers whose attention can be asked for in every way, or written out; and a method that keeps what it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from xaikit import Needs
from xaikit.view import View

WIDTH, HEADS, CLASSES = 8, 2, 4
SPACE, GRID, TOKENS = (8, 6), (4, 3), 13
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def fused(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
    """Torch's own."""
    return scaled_dot_product_attention(query, key, value, **options)


class Explicit:
    """Attention written out, with the probabilities of every call kept in the graph."""

    def __init__(self, mask: Tensor | None = None, scale: float | None = None) -> None:
        self.probabilities: list[Tensor] = []
        self.mask = mask
        self.scale = scale

    def __call__(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        times = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
        logits = query @ key.mT * (self.scale or query.shape[-1] ** -0.5)
        if self.mask is not None:
            logits = logits + self.mask
        weights = logits.exp()
        probabilities = weights / weights.sum(-1, keepdim=True)
        self.probabilities.append(probabilities)
        return probabilities @ value


class Block(nn.Module):
    """Attention and an MLP, both beside a residual connection; ``shared`` queries have a key in common."""

    def __init__(self, attend: Attend, shared: int = 1) -> None:
        super().__init__()
        self.attend = attend
        self.keys = HEADS // shared
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH // shared)
        self.value = nn.Linear(WIDTH, WIDTH // shared)
        self.norm = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU())

    def forward(self, tokens: Tensor) -> Tensor:
        query = self.query(tokens).unflatten(2, (HEADS, -1)).transpose(1, 2)
        key, value = (one(tokens).unflatten(2, (self.keys, -1)).transpose(1, 2) for one in (self.key, self.value))
        tokens = tokens + self.attend(query, key, value).transpose(1, 2).flatten(2)
        mixed: Tensor = tokens + self.mlp(self.norm(tokens))
        return mixed


class Multihead(nn.Module):
    """A block of ``nn.MultiheadAttention``; what it returns of weights has a part in the tokens where they are asked for."""

    def __init__(self, first: bool = True, weights: bool = False, average: bool = True, batched: bool = True) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=first)
        self.first = first
        self.batched = batched
        self.returned: list[Any] = []
        self.options = {"need_weights": weights, "average_attn_weights": average}

    def forward(self, tokens: Tensor) -> Tensor:
        given = tokens if self.first or not self.batched else tokens.transpose(0, 1)
        given = given if self.batched else given[0]
        mixed, weights = self.attention(given, given, given, **self.options)
        mixed = mixed if self.first or not self.batched else mixed.transpose(0, 1)
        mixed = mixed if self.batched else mixed[None]
        self.returned.append(None if weights is None else tuple(weights.shape))
        return tokens + mixed if weights is None else tokens + mixed + weights.sum() / weights.numel()


class Transformer(nn.Module):
    """Patches of 2 x 2 behind a class token, blocks, a norm, and a head on the class token or on the mean of the grid."""

    def __init__(self, *blocks: nn.Module, pool: str = "token") -> None:
        super().__init__()
        self.global_pool = pool
        self.embed = nn.Conv2d(3, WIDTH, 2, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.place = nn.Parameter(torch.randn(1, TOKENS, WIDTH))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def tokens(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(len(x), -1, -1), patches], 1) + self.place

    def read(self, tokens: Tensor) -> Tensor:
        tokens = self.norm(tokens)
        logits: Tensor = self.head(tokens[:, 0] if self.global_pool == "token" else tokens[:, 1:].mean(1))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        for block in self.blocks:
            tokens = block(tokens)
        return self.read(tokens)


def seeded(build: Callable[[], nn.Module], dtype: torch.dtype = torch.float64) -> Any:
    """In evaluation mode, with weights large enough that attention is uneven; the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build().eval()
        with torch.no_grad():
            for one in net.parameters():
                one.mul_(2)
        return net.to(dtype)


def transformer(attend: Attend = fused, shared: int = 1, pool: str = "token", depth: int = 3) -> Any:
    """Blocks that attend one way: the same numbers for every way."""
    return seeded(lambda: Transformer(*(Block(attend, shared) for _ in range(depth)), pool=pool))


def multihead(depth: int = 2, pool: str = "token", **options: bool) -> Any:
    return seeded(lambda: Transformer(*(Multihead(**options) for _ in range(depth)), pool=pool))


def pictures(samples: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(samples, 3, *SPACE, generator=generator, dtype=torch.float64).to(dtype)


@contextmanager
def slow_path() -> Iterator[None]:
    """As in a pass: attention by parts."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@dataclass(frozen=True)
class AttentionProbe:
    """L = 0; keeps probabilities and gradients by block."""

    records: list[Any] = field(default_factory=list)

    needs: ClassVar[Needs] = Needs(gradients=1, attention=1, layers="all")

    def explain(self, view: View) -> Tensor:
        self.records.extend((one.name, one.probabilities, one.gradients) for one in self.blocks(view))
        return view.on_grid(torch.zeros(*view.shape[:2], self.records[0][1].shape[-1], dtype=view.scores.dtype))

    def blocks(self, view: View) -> Any:
        return view.attention


@dataclass(frozen=True)
class BlockAttentionProbe(AttentionProbe):
    """L = 0; the same of each block's own score."""

    needs: ClassVar[Needs] = Needs(attention=2, layers="all")

    def blocks(self, view: View) -> Any:
        return view.block_attention
