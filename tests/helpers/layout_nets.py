"""Networks that lay out their input in every way there is, each with the grid of its last map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
import transformers
from torch import Tensor, nn

Arrange = Callable[[Tensor, Tensor], Tensor]


class Sequence(nn.Module):
    """Patches, tokens that are no place among them, a block, and a head that weighs every token by itself.

    Args:
        arrange: from patches (N, L, C) and other tokens (N, K, C) to the sequence.
    """

    def __init__(self, embed: nn.Module, arrange: Arrange, others: int, size: int = 8) -> None:
        super().__init__()
        self.embed, self.arrange, self.others = embed, arrange, nn.Parameter(torch.randn(1, others, size))
        self.block = nn.TransformerEncoderLayer(size, 2, 16, dropout=0.0, batch_first=True)
        self.last = nn.Identity()
        self.head = nn.Linear(size, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x)
        tokens = patches.flatten(2).transpose(1, 2) if patches.dim() > 3 else patches
        tokens = self.last(self.block(self.arrange(tokens, self.others.expand(len(tokens), -1, -1))))
        return self.head(tokens.square()).mean(1)  # type: ignore[no-any-return]


class Before(nn.Module):
    """What is done to the input first."""

    def __init__(self, change: Callable[[Tensor], Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.change, self.layers = change, nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.change(x))  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """A convolution, and a recurrent network over its places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last, self.head = nn.Conv1d(2, 6, 5, 2), nn.GRU(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.last(self.conv(x).transpose(1, 2))[0].mean(1))  # type: ignore[no-any-return]


class Mixing(nn.Module):
    """Tokens that a linear layer mixes, as in an MLP-Mixer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.mix = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(24, 24)
        self.last, self.head = nn.GELU(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.embed(x).flatten(2).mT)
        return self.head(self.last(tokens + self.mix(tokens.mT).mT).mean(1))  # type: ignore[no-any-return]


class Pooled(nn.Module):
    """A convolution over what was made of the input, and its mean."""

    def __init__(self, change: Callable[[Tensor], Tensor], conv: nn.Module, channels: int = 6) -> None:
        super().__init__()
        self.change, self.last, self.head = change, nn.Sequential(conv, nn.ReLU()), nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.last(self.change(x)).flatten(2).mean(2))  # type: ignore[no-any-return]


def patches(size: int = 8) -> nn.Module:
    return nn.Conv2d(3, size, 4, 4)


def _unrolled(tokens: Tensor, others: Tensor) -> Tensor:
    """The four quarters of a grid of 4 x 6, one behind another."""
    grid = tokens.unflatten(1, (2, 2, 2, 3))
    return torch.cat([others, grid.permute(0, 1, 3, 2, 4, 5).flatten(1, 4)], 1)  # type: ignore[no-any-return]


def _cut(x: Tensor) -> Tensor:
    """Patches of 4 x 4 pixels as rows."""
    return x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


class Axial(nn.Module):
    """One convolution along columns, and the same along rows."""

    def __init__(self, embed: nn.Module, size: int) -> None:
        super().__init__()
        self.embed, self.along = embed, nn.Conv2d(size, size, (3, 1), padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x + self.along(x)
        return x + self.along(x.mT).mT  # type: ignore[no-any-return]


ARRANGED: dict[str, tuple[Arrange, int]] = {
    "class token first": (lambda tokens, others: torch.cat([others, tokens], 1), 1),
    "class token last": (lambda tokens, others: torch.cat([tokens, others], 1), 1),
    "class token in the middle": (lambda tokens, others: torch.cat([tokens[:, :12], others, tokens[:, 12:]], 1), 1),
    "distilled": (lambda tokens, others: torch.cat([others, tokens], 1), 2),
    "registers": (lambda tokens, others: torch.cat([others, tokens], 1), 5),
    "detection tokens": (lambda tokens, others: torch.cat([others[:, :1], tokens, others[:, 1:]], 1), 7),
    "text before": (lambda tokens, others: torch.cat([others, tokens], 1), 23),
    "unrolled": (_unrolled, 0),
    "column by column": (lambda tokens, others: tokens.unflatten(1, (4, 6)).transpose(1, 2).flatten(1, 2), 0),
}
"""Of 4 x 6 patches of a picture of 16 x 24."""


@dataclass(frozen=True)
class Laid:
    """A network, its inputs, the layer, and the grid of it."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    layer: str
    grid: tuple[int, ...]
    space: tuple[int, ...]


SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "num_labels": 3,
}


def _tokens(name: str) -> Laid:
    return Laid(lambda: Sequence(patches(), *ARRANGED[name]), (2, 3, 16, 24), "last", (4, 6), (16, 24))


def _of_timm(name: str, layer: str, grid: tuple[int, ...], size: tuple[int, int], **options: Any) -> Laid:
    return Laid(lambda: timm.create_model(name, pretrained=False, **options), (2, 3, *size), layer, grid, size)


def _config(model: str, config: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(transformers, model)(getattr(transformers, config)(**SMALL, **options))


VIT: dict[str, Any] = {"depth": 2, "embed_dim": 12, "num_heads": 2, "img_size": (32, 48), "num_classes": 3}
SWIN: dict[str, Any] = {"img_size": (32, 48), "embed_dim": 8, "depths": (2, 2), "num_heads": (2, 2), "num_classes": 3}
LAID: dict[str, Laid] = {name: _tokens(name) for name in ARRANGED} | {
    "patches by a linear layer": Laid(
        lambda: Sequence(Before(_cut, nn.Linear(48, 8)), *ARRANGED["class token first"]),
        (2, 3, 16, 24),
        "last",
        (4, 6),
        (16, 24),
    ),
    "behind an axial block": Laid(
        lambda: Sequence(Axial(patches(), 8), *ARRANGED["class token first"]), (2, 3, 16, 24), "last", (4, 6), (16, 24)
    ),
    "square, behind an axial block": Laid(
        lambda: Sequence(Axial(patches(), 8), *ARRANGED["class token first"]), (2, 3, 16, 16), "last", (4, 4), (16, 16)
    ),
    "as many channels as sides, behind an axial block": Laid(
        lambda: Pooled(lambda x: x, Axial(nn.Conv2d(3, 6, 2, 2), 6)), (2, 3, 12, 12), "last", (6, 6), (12, 12)
    ),
    "as many channels as rows, between them": Laid(
        lambda: Pooled(lambda x: x, nn.Sequential(nn.Conv2d(3, 4, 2, 2), Before(lambda x: x.transpose(1, 2))), 4),
        (2, 3, 8, 12),
        "last",
        (4, 6),
        (8, 12),
    ),
    "as many channels as columns, turned": Laid(
        lambda: Pooled(lambda x: x, nn.Sequential(nn.Conv2d(3, 4, 2, 2), Before(lambda x: x.transpose(1, 3))), 4),
        (2, 3, 12, 8),
        "last",
        (6, 4),
        (12, 8),
    ),
    "mixed by a linear layer": Laid(Mixing, (2, 3, 16, 24), "last", (4, 6), (16, 24)),
    "channels last": Laid(
        lambda: Pooled(lambda x: x.permute(0, 3, 1, 2), nn.Conv2d(3, 6, 2, 2)),
        (2, 16, 24, 3),
        "last",
        (8, 12),
        (16, 24),
    ),
    "a spectrogram": Laid(
        lambda: Pooled(lambda x: x[:, None], nn.Conv2d(1, 6, 2, 2)), (2, 16, 24), "last", (8, 12), (16, 24)
    ),
    "a spectrogram, turned": Laid(
        lambda: Pooled(lambda x: x.mT[:, None], nn.Conv2d(1, 6, 2, 2)), (2, 16, 24), "last", (8, 12), (16, 24)
    ),
    "a waveform": Laid(lambda: Pooled(lambda x: x[:, None], nn.Conv1d(1, 6, 4, 4)), (2, 40), "last", (10,), (40,)),
    "frames": Laid(
        lambda: Pooled(lambda x: x.transpose(1, 2), nn.Conv3d(3, 6, 2, 2)),
        (2, 4, 3, 8, 12),
        "last",
        (2, 4, 6),
        (4, 8, 12),
    ),
    "frames, as many as colours": Laid(
        lambda: Pooled(lambda x: x.transpose(1, 2), nn.Conv3d(3, 6, (1, 2, 2), (1, 2, 2))),
        (2, 3, 3, 8, 12),
        "last",
        (3, 4, 6),
        (3, 8, 12),
    ),
    "time first": Laid(
        lambda: Pooled(lambda x: x.transpose(1, 2), nn.Conv1d(5, 6, 4, 4)), (2, 40, 5), "last", (10,), (40,)
    ),
    "recurrent": Laid(Recurrent, (2, 2, 41), "last[0]", (19,), (41,)),
    "a signal in patches": Laid(
        lambda: Sequence(Before(lambda x: x, nn.Conv1d(2, 8, 4, 4), nn.Flatten(2)), lambda tokens, _: tokens.mT, 0),
        (2, 2, 40),
        "last",
        (10,),
        (40,),
    ),
    "a class token before a signal": Laid(
        lambda: Sequence(nn.Conv1d(2, 8, 4, 4), lambda tokens, others: torch.cat([others, tokens.mT], 1), 1),
        (2, 2, 40),
        "last",
        (10,),
        (40,),
    ),
    "timm vit": _of_timm("vit_tiny_patch16_224", "blocks.0", (2, 3), (32, 48), **VIT),
    "timm vit with registers": _of_timm("vit_tiny_patch16_224", "blocks.0", (2, 3), (32, 48), reg_tokens=4, **VIT),
    "timm deit distilled": _of_timm("deit_tiny_distilled_patch16_224", "blocks.0", (2, 3), (32, 48), **VIT),
    "timm swin": _of_timm("swin_tiny_patch4_window7_224", "layers.0", (8, 12), (32, 48), window_size=2, **SWIN),
    "timm hiera": _of_timm(
        "hiera_tiny_224",
        "blocks.1",
        (16, 24),
        (64, 96),
        img_size=(64, 96),
        embed_dim=8,
        num_heads=1,
        stages=(2, 1, 1, 1),
        num_classes=3,
    ),
    "timm mixer": _of_timm("mixer_s32_224", "blocks.0", (2, 2), (64, 64), img_size=64),
    "yolos": Laid(
        _config("YolosForObjectDetection", "YolosConfig", image_size=[32, 48], num_detection_tokens=5),
        (2, 3, 32, 48),
        "vit.encoder.layer.0",
        (2, 3),
        (32, 48),
    ),
    "ast": Laid(
        _config("ASTForAudioClassification", "ASTConfig", max_length=64, num_mel_bins=32),
        (2, 64, 32),
        "audio_spectrogram_transformer.layers.0",
        (5, 2),
        (64, 32),
    ),
    "videomae": Laid(
        _config("VideoMAEForVideoClassification", "VideoMAEConfig", image_size=32, num_frames=4, tubelet_size=2),
        (2, 4, 3, 32, 32),
        "videomae.encoder.layer.0",
        (2, 2, 2),
        (4, 32, 32),
    ),
    "dinov2 with registers": Laid(
        _config("Dinov2WithRegistersForImageClassification", "Dinov2WithRegistersConfig", image_size=28, patch_size=14),
        (2, 3, 28, 42),
        "dinov2_with_registers.encoder.layer.0",
        (2, 3),
        (28, 42),
    ),
}


def built(laid: Laid) -> tuple[nn.Module, Tensor]:
    """The network and its inputs, from fixed numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return laid.build().eval(), torch.randn(laid.shape)
