"""What the methods of attention share: which tokens the head reads, and heads made one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from xaikit import ConfigError
from xaikit.view import View

Read = Literal["auto", "class", "mean"]
Heads = Literal["mean", "max", "min"]
POOLED = ("avg", "avgmax", "max")
"""What timm's ``global_pool`` says of a model that reads the grid."""


def fused(heads: Tensor, how: Heads) -> Tensor:
    """(N, T, H, Q, K) to (N, T, Q, K)."""
    if how == "mean":
        return heads.mean(2)
    return heads.amax(2) if how == "max" else heads.amin(2)


def reader(view: View, read: Read) -> Tensor:
    """How much of the row of each token is read, (1, 1, 1, K): all of the class token's, or the mean over the grid.

    Raises:
        ConfigError: the class token is asked for where there is none, or which it is cannot be told.
    """
    first, is_place = view.attention[0].probabilities, view.lies_on_grid
    row = torch.zeros(1, 1, 1, first.shape[-1], dtype=torch.promote_types(first.dtype, torch.float32)).to(first.device)
    others = [token for token, placed in enumerate(is_place) if not placed]
    if read == "class" and not others:
        raise ConfigError(
            "read: expected a token that is no place of the grid, got none: there is no class token, take mean"
        )
    if read == "class" or (read == "auto" and others and not _reads_the_grid(view)):
        if read == "auto" and len(others) > 1 and others[-1] >= len(others):
            raise ConfigError(
                f"read: expected one class token, got tokens before and behind the grid, or several behind it ({others[0]} to "
                f"{others[-1]}): say class, the first of them, or mean, the grid"
            )
        # a distilled model reads its second token as well
        read_tokens = others[: 2 if read == "auto" and _is_distilled(view) else 1]
        row[..., read_tokens] = 1 / len(read_tokens)
    else:
        row[..., is_place] = 1 / int(is_place.sum())
    return row


def _reads_the_grid(view: View) -> bool:
    """Whether the model says that it averages over the grid, though it has a class token."""
    pools = (getattr(module, "global_pool", None) for module in view.module.modules())
    return any(pool is True or (isinstance(pool, str) and pool in POOLED) for pool in pools)


def _is_distilled(view: View) -> bool:
    """Whether the model has a head for a distillation token, and reads the mean of both heads."""
    return isinstance(getattr(view.module, "head_dist", None), nn.Module)
