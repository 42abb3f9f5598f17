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
        ConfigError: the class token is asked for where there is none.
    """
    first = view.attention[0].probabilities
    row = torch.zeros(1, 1, 1, first.shape[-1], dtype=torch.promote_types(first.dtype, torch.float32)).to(first.device)
    if read == "class" and not view.prefix:
        raise ConfigError("read: expected a token before the grid, got none: there is no class token, take mean")
    if read == "class" or (read == "auto" and view.prefix and not _reads_the_grid(view)):
        # a distilled model reads its second token as well
        read_tokens = 2 if read == "auto" and view.prefix > 1 and _is_distilled(view) else 1
        row[..., :read_tokens] = 1 / read_tokens
    else:
        row[..., view.prefix :] = 1 / (row.shape[-1] - view.prefix)
    return row


def _reads_the_grid(view: View) -> bool:
    """Whether the model says that it averages over the grid, though it has a class token."""
    pools = (getattr(module, "global_pool", None) for module in view.module.modules())
    return any(pool is True or (isinstance(pool, str) and pool in POOLED) for pool in pools)


def _is_distilled(view: View) -> bool:
    """Whether the model has a head for a distillation token, and reads the mean of both heads."""
    return isinstance(getattr(view.module, "head_dist", None), nn.Module)
