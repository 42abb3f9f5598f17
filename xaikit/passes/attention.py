"""Attention as it is defined."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from xaikit.axes.local_attention import unguarded


def probabilities_of(
    query: Tensor,
    key: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q K^T * scale + mask), (..., Q, K), as ``scaled_dot_product_attention`` defines it; dropout left out.

    A query all of whose keys are masked attends to nothing.

    >>> probabilities_of(torch.zeros(1, 2, 4), torch.zeros(1, 2, 4), is_causal=True)
    tensor([[[1.0000, 0.0000],
             [0.5000, 0.5000]]])
    """
    logits = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
    if attn_mask is not None:
        is_boolean = attn_mask.dtype == torch.bool
        logits = logits.masked_fill(~attn_mask, -torch.inf) if is_boolean else logits + attn_mask
    masked = (logits == -torch.inf).all(-1, keepdim=True)
    return logits.softmax(-1).masked_fill(masked, 0)


class AttentionByDefinition(TorchFunctionMode):
    """Attention is computed as it is defined, which can be differentiated twice: fused attention cannot.

    In this thread alone, as torch's own ``sdpa_kernel`` would not.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return _by_definition(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            with AttentionByDefinition():
                return unguarded(func)(*args, **kwargs)
        return func(*args, **kwargs)


def _by_definition(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(~attn_mask, -torch.inf)
    mixed: Tensor = torch.ops.aten._scaled_dot_product_attention_math(query, key, value, attn_mask, *args, **kwargs)[0]
    return mixed
