"""Networks whose score depends on one known place: the patch of a class's colour, wherever it lies and however tokens lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

PATCH = 4
GRID = (4, 5)
CLASSES = 3
PLACES = ((0, 1), (3, 3), (2, 0))
"""Of the patch of each class's colour, none of which lies on another's mirror image."""

Arrange = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Arrangement:
    """How maps (N, C, H, W) lie at the tapped layer, the way back, and how that is said."""

    there: Arrange
    back: Callable[[Tensor, tuple[int, int]], Tensor]
    stated: dict[str, Any] | None = field(default=None)


def _tokens(before: int = 0, behind: int = 0) -> Arrangement:
    def there(maps: Tensor) -> Tensor:
        tokens = maps.flatten(2).transpose(1, 2)
        others = tokens.mean(1, keepdim=True)
        return torch.cat([others.expand(-1, before, -1), tokens, others.expand(-1, behind, -1)], 1)

    def back(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        inner = tokens[:, before : tokens.shape[1] - behind]
        return inner.transpose(1, 2).unflatten(2, grid)

    return Arrangement(there, back, {"use": "tokens", "prefix": before, "suffix": behind, "grid": list(GRID)})


_ORDER = torch.randperm(GRID[0] * GRID[1], generator=torch.Generator().manual_seed(2))

ARRANGEMENTS = {
    "channels first": Arrangement(lambda maps: maps, lambda maps, grid: maps),
    "channels last": Arrangement(
        lambda maps: maps.permute(0, 2, 3, 1), lambda maps, grid: maps.permute(0, 3, 1, 2), {"use": "channels_last"}
    ),
    "rows, channels, columns": Arrangement(
        lambda maps: maps.transpose(1, 2), lambda maps, grid: maps.transpose(1, 2), {"use": "axes", "order": "NHCW"}
    ),
    "tokens": _tokens(),
    "tokens behind others": _tokens(before=2),
    "tokens before others": _tokens(behind=1),
    "tokens between others": _tokens(1, 3),
    "tokens in any order": Arrangement(
        lambda maps: maps.flatten(2)[:, :, _ORDER].transpose(1, 2),
        lambda tokens, grid: tokens.transpose(1, 2)[:, :, _ORDER.argsort()].unflatten(2, grid),
        {"use": "tokens", "grid": list(GRID), "positions": _ORDER.argsort().tolist()},
    ),
}


class Planted(nn.Module):
    """A patch embedding with a channel a colour, a layer ``last`` that returns them as arranged, and a linear head of
    their mean.

    Args:
        dense: the head of every place, (N, classes, H, W).
    """

    def __init__(self, arrangement: Arrangement, dense: bool = False) -> None:
        super().__init__()
        self.arrangement, self.dense = arrangement, dense
        self.embed = nn.Conv2d(CLASSES, CLASSES, PATCH, PATCH)
        self.last = nn.Identity()
        self.head = nn.Conv2d(CLASSES, CLASSES, 1)
        with torch.no_grad():
            colours = torch.eye(CLASSES)[:, :, None, None]
            self.embed.weight.copy_(colours.expand_as(self.embed.weight) / PATCH**2)
            self.embed.bias.fill_(-0.1)
            self.head.weight.copy_(400 * colours - 100)  # so that a softmax over scores tells them apart
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.embed(x).relu()
        maps = self.arrangement.back(self.last(self.arrangement.there(maps)), (maps.shape[2], maps.shape[3]))
        return self.head(maps) if self.dense else self.head(maps.mean((2, 3), keepdim=True)).flatten(1)


class AttentionBlock(nn.Module):
    """Each head attends to the tokens of its own colour, and adds it to all tokens."""

    def forward(self, tokens: Tensor) -> Tensor:
        colours = tokens.transpose(1, 2).unsqueeze(3)
        attended = nn.functional.scaled_dot_product_attention(torch.full_like(colours, 5.0), colours, colours)
        return tokens + attended.squeeze(3).transpose(1, 2)


class PlantedAttention(nn.Module):
    """The same of attention: a class token, a block whose heads look for a colour each, and a head that reads that token."""

    def __init__(self) -> None:
        super().__init__()
        planted = Planted(ARRANGEMENTS["channels first"])
        self.embed, self.blocks = planted.embed, nn.ModuleList([AttentionBlock()])
        self.head = nn.Linear(CLASSES, CLASSES)
        with torch.no_grad():
            self.head.weight.copy_(planted.head.weight.flatten(1))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).relu().flatten(2).transpose(1, 2)
        tokens = torch.cat([torch.zeros_like(tokens[:, :1]), tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
        logits: Tensor = self.head(tokens[:, 0])
        return logits


def planted_picture() -> Tensor:
    """A dark picture (1, 3, H, W) with a bright patch of each class's colour, the first class's the brightest."""
    picture = 0.05 * torch.rand(
        1, CLASSES, PATCH * GRID[0], PATCH * GRID[1], generator=torch.Generator().manual_seed(0)
    )
    for channel, (row, column) in enumerate(PLACES):
        rows, columns = (slice(PATCH * place, PATCH * (place + 1)) for place in (row, column))
        picture[0, channel, rows, columns] = 1 - 0.1 * channel
    return picture


def largest_place(saliency: Tensor) -> tuple[int, int]:
    """The cell of the grid (H, W) in which a map (1, h, w) of any size is largest."""
    pooled = nn.functional.adaptive_max_pool2d(saliency, GRID)[0]
    row, column = divmod(int(pooled.argmax()), GRID[1])
    return row, column
