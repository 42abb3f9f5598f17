"""More nets that are hard to serve, for what they return, compute with or are built of."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from helpers.hard_nets import Plain


@dataclass
class Result:
    logits: Tensor
    features: Tensor


@dataclass
class OtherResult:
    classes: Tensor
    features: Tensor


class ModelOutput(OrderedDict[str, Any]):
    """As that of transformers: a mapping whose items are attributes too, and which an integer indexes as a tuple."""

    def __init__(self, items: Any = (), **named: Any) -> None:
        super().__init__()
        for key, value in {**dict(items), **named}.items():
            self[key] = value

    def __getitem__(self, key: str | int) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else tuple(self.values())[key]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        super().__setattr__(key, value)


class Packed(Plain):
    """Gives its logits packed with its features."""

    def __init__(self, pack: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.pack = pack

    def forward(self, x: Tensor) -> Any:
        features = self.features(x)
        return self.pack(self.classify(features), features)


class Detector(Plain):
    """A list of one dict an image, with boxes, scores and labels, as a torchvision detector."""

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        scores = self.classify(self.features(x)).sigmoid()
        boxes = torch.stack([scores, scores, scores + 1, scores + 2], 2)
        labels = torch.arange(scores.shape[1])
        return [{"boxes": box, "scores": score, "labels": labels} for box, score in zip(boxes, scores, strict=True)]


class TwiceApart(Plain):
    """What ``hostile.Twice`` computes, with a clone of conv2, ``again``, for its second call."""

    def __init__(self) -> None:
        super().__init__()
        self.again = copy.deepcopy(self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.act2(self.again(self.conv2(self.act1(self.conv1(x))))))


class Passing(nn.Module):
    """Hands its input on beside its result, as a block that returns a cache or a residual nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(4, 4, 1)
        self.right = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.left(x), self.right(x)


class DeadFirst(Plain):
    """Uses only the second of what a block returns."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Passing()

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.block(self.act1(self.conv1(x)))[1].sigmoid())


class DeadFirstNoGrad(DeadFirst):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Three(Plain):
    """conv1, a block, conv3."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.SiLU(), nn.Conv2d(4, 4, 1), nn.Tanh())
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1)

    def middle(self, x: Tensor) -> Tensor:
        return self.block(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.conv3(self.middle(self.act1(self.conv1(x)))).sigmoid())


class Staged(Three):
    """With a block that something can be done to."""


class Checkpointed(Three):
    def middle(self, x: Tensor) -> Tensor:
        return checkpoint(self.block, x, use_reentrant=False)


class Reentrant(Three):
    def middle(self, x: Tensor) -> Tensor:
        return checkpoint(self.block, x, use_reentrant=True)


class SharedWeights(Plain):
    """Two convolutions with the same weights and biases of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv3.weight = self.conv2.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.conv3(self.features(x)).sigmoid())


class Flat(Plain):
    """Reads the strides of its last map, as ``x.view(x.size(0), -1)`` does."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4 * 8 * 7, 3)

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.view(x.size(0), -1))


class Tokens(nn.Module):
    """Patches and a class token, a block, a norm, and the mean of the tokens."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.embed = nn.Conv2d(2, 8, 2, stride=2)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.block = block
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], 1)
        return self.head(self.norm(self.block(tokens)).tanh().mean(1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).reshape(*x.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4)
        return x + scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)


class HeadedAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.after = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.after(self.attention(x, x, x, need_weights=False)[0])


class Attending(Tokens):
    def __init__(self) -> None:
        super().__init__(Attention())


class MultiHeaded(Tokens):
    def __init__(self) -> None:
        super().__init__(HeadedAttention())


class Encoding(Tokens):
    def __init__(self) -> None:
        super().__init__(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
