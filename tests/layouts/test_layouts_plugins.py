"""Layouts that are said rather than found: in a call, in a config, by a plugin of somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.nets import distance
from xaikit.errors import ConfigError, TapError


class Rows(nn.Module):
    """Tokens (N, prefix + places, C)."""

    def __init__(self, prefix: int = 1) -> None:
        super().__init__()
        self.conv, self.tokens, self.head, self.prefix = nn.Conv2d(3, 4, 1), nn.Identity(), nn.Linear(4, 5), prefix

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        tokens = self.tokens(torch.cat([tokens[:, : self.prefix], tokens], 1) * 1.0)
        return self.head((tokens * torch.arange(1.0, 1 + tokens.shape[1]).view(1, -1, 1)).mean(1))  # type: ignore[no-any-return]


@pytest.fixture
def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Rows().eval()


X = torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))


def maps(net: nn.Module, **more: Any) -> Tensor:
    return xaikit.explain(net, X, "hirescam", layers="tokens", target=1, **more)["hirescam"].maps["tokens"]


def test_a_stated_layout_wins_over_an_inferred_one() -> None:
    net, x = Rows(13).eval(), X[:, :, :6]  # 13 + 6 x 6 tokens are a grid of 7 x 7 by their number alone
    square, stated = (
        xaikit.explain(net, x, "hirescam", layers="tokens", target=1, layout=layout)["hirescam"].maps["tokens"]
        for layout in ({"use": "tokens", "grid": [7, 7]}, {"use": "tokens", "prefix": 13, "grid": [6, 6]})
    )
    assert (square.shape, stated.shape) == ((2, 7, 7), (2, 6, 6))
    assert distance(stated.flatten(1), square.flatten(1)[:, 13:]) <= 1e-6
    # 13 tokens are there twice
    with pytest.raises(TapError, match=r"prefix: 13, grid: \[6, 6\], suffix: 0\} or .* say which as layout"):
        xaikit.explain(net, x, layers="tokens")


def test_a_grid_is_found_behind_a_stated_prefix(net: nn.Module) -> None:
    assert maps(net, layout={"use": "tokens", "prefix": 1}).shape == (2, 8, 6)


def test_what_does_not_fit_the_tensor_is_an_error_that_names_both(net: nn.Module) -> None:
    with pytest.raises(TapError, match=r"layer tokens returned \(2, 49, 4\) .* expected what its layout says"):
        maps(net, layout={"use": "tokens", "prefix": 2, "grid": [8, 6]})


def test_a_layout_that_does_not_exist_is_named(net: nn.Module) -> None:
    with pytest.raises(ConfigError, match="no layout 'tokns'; did you mean 'tokens'"):
        maps(net, layout="tokns")


def test_channels_last_where_the_shape_says_nothing_is_found_and_can_be_said() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last, self.head = nn.Conv2d(3, 8, 1), nn.Identity(), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.last(self.conv(x).movedim(1, -1) * 1.0).mean((1, 2)))  # type: ignore[no-any-return]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Last().eval()
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))  # (2, 8, 8, 8): anything may be the channels
    methods = ["gradcam", "cam"]
    explanations = xaikit.explain(net, x, methods, layers="last", target=1, layout="channels_last")
    expected = xaikit.explain(net, x, "gradcam", layers="conv", target=1)["gradcam"].maps["conv"]
    assert distance(explanations["gradcam"].maps["last"], expected) <= 1e-5
    assert distance(explanations["cam"].maps["last"] / 64, expected) <= 1e-5
    assert distance(xaikit.explain(net, x, layers="last", target=1)["gradcam"].maps["last"], expected) <= 1e-5


MINE = '''
from dataclasses import dataclass


@dataclass(frozen=True)
class Columns:
    """Tokens in column order behind one that is no place."""

    rows: int

    def layout(self, shape, space):
        return Order(self.rows, (shape[1] - 1) // self.rows) if len(shape) == 3 else None


@dataclass(frozen=True)
class Order:
    rows: int
    columns: int
    prefix: int = 1

    def to_map(self, tensor):
        grid = tensor[:, 1:].reshape(len(tensor), self.columns, self.rows, -1)
        return grid.permute(0, 3, 2, 1)

    def from_map(self, saliency, like):
        import torch

        tokens = saliency.permute(0, 3, 2, 1).flatten(1, 2)
        return torch.cat([like[:, :1].repeat_interleave(len(saliency) // len(like), 0), tokens], 1)

    def space(self, shape):
        return self.rows, self.columns
'''


def test_a_layout_of_ones_own_serves_every_kind_of_method(net: nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "columns.py"
    file.write_text(MINE, encoding="utf-8")
    layout = {"use": f"{file}:Columns", "rows": 6}
    methods = ["hirescam", "ablationcam", "featureig", "scorecam"]
    explanations = xaikit.explain(net, X, methods, layers="tokens", target=1, layout=layout)
    raster = xaikit.explain(
        net, X, methods, layers="tokens", target=1, layout={"use": "tokens", "grid": [8, 6], "prefix": 1}
    )
    for method in ("hirescam", "ablationcam", "featureig"):
        mine = explanations[method].maps["tokens"]
        assert mine.shape == (2, 6, 8)
        assert distance(mine.transpose(1, 2), raster[method].maps["tokens"]) <= 1e-5


def test_attention_is_arranged_as_stated() -> None:
    class Wide(nn.Module):
        """Patches of 16 x 4 pixels: 2 x 8 of a square picture, which 4 x 4 would be by their number alone."""

        def __init__(self) -> None:
            super().__init__()
            self.embed, self.attn, self.head = (
                nn.Conv2d(3, 8, (16, 4), (16, 4)),
                nn.MultiheadAttention(8, 2),
                nn.Linear(8, 3),
            )

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.embed(x).flatten(2).permute(2, 0, 1)
            return self.head((tokens + self.attn(tokens, tokens, tokens)[0]).mean(0))  # type: ignore[no-any-return]

    net, x = Wide().eval(), torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for method in ("rollout", "gae"):
        automatic = xaikit.explain(net, x, method, target=1)[method].maps["attention"]
        stated = xaikit.explain(net, x, method, target=1, layout={"use": "tokens", "grid": [2, 8]})[method].maps[
            "attention"
        ]
        square = xaikit.explain(net, x, method, target=1, layout={"use": "tokens", "grid": [4, 4]})[method].maps
        assert (square["attention"].shape, stated.shape) == ((2, 4, 4), (2, 2, 8))
        assert torch.equal(automatic, stated)
        assert torch.equal(square["attention"].flatten(1), stated.flatten(1))
