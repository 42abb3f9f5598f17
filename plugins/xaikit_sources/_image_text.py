"""A model of pictures and texts, such as CLIP, as a model of pictures alone: its texts become classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class ImageText(nn.Module):
    """Pictures (N, 3, H, W) to the logits (N, P) of P prompts, or to their embeddings (N, D) where there are none.

    The prompts are encoded once and kept as a buffer. The model inside keeps its names behind ``model.``.
    """

    text_embeds: Tensor | None

    def __init__(self, model: nn.Module, tokens: Mapping[str, Tensor] | None) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("text_embeds", None if tokens is None else _encoded(model, tokens))

    def forward(self, pixel_values: Tensor) -> Tensor:
        """The scaled cosines of pictures and prompts, SigLIP's with its bias; without prompts, embeddings as they are."""
        model: Any = self.model
        embeddings = _pooled(model.get_image_features(pixel_values=pixel_values))
        if self.text_embeds is None:
            return embeddings
        cosines = normalize(embeddings, dim=-1) @ self.text_embeds.T
        scaled: Tensor = cosines * model.logit_scale.exp()
        return scaled + model.logit_bias if hasattr(model, "logit_bias") else scaled


@torch.no_grad()
def differs(joint: ImageText, tokens: Mapping[str, Tensor], pixels: Tensor) -> bool:
    """Whether the model by itself gives other logits to a picture: some clamp their scale or compare in other ways."""
    theirs: Tensor = joint.model(pixel_values=pixels, **tokens).logits_per_image
    return theirs.shape != joint(pixels).shape or not torch.allclose(joint(pixels), theirs, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def _encoded(model: Any, tokens: Mapping[str, Tensor]) -> Tensor:
    return normalize(_pooled(model.get_text_features(**tokens)), dim=-1)


def _pooled(features: Any) -> Tensor:
    """Before transformers 5 these features were a tensor."""
    pooled: Tensor = features if isinstance(features, Tensor) else features.pooler_output
    return pooled
