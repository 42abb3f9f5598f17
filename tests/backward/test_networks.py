"""Relevance of the networks that people have, without a word from them: it sums to the score, biases counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

from helpers.rules import balance
from xaikit import Backward, ConfigError

LIBRAGRAD, ATTNLRP, DECOMPX = Backward(product="half"), Backward(attention="split", product="half"), Backward()
CPLRP = Backward(product="gate")
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
VIEWED = {**TINY, "image_size": 32, "patch_size": 8}
WORDS = {**TINY, "num_hidden_layers": 1, "vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}


def swin(**blocks: Any) -> nn.Module:
    return torchvision.models.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=5, **blocks)


def convnext() -> nn.Module:
    setting = torchvision.models.convnext.CNBlockConfig
    return torchvision.models.ConvNeXt([setting(8, 16, 1), setting(16, None, 1)], num_classes=5)


def of_timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=5, **options)


def of_transformers(kind: str, **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        config = getattr(transformers, f"{kind}Config")(**options)
        return getattr(transformers, f"{kind}ForImageClassification")(config)

    return build


def clip(attention: str) -> Callable[[], nn.Module]:
    return of_transformers("CLIP", vision_config=VIEWED, text_config=WORDS, attn_implementation=attention)


SMALL = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 32, "num_heads": 2}
NETWORKS: dict[str, Callable[[], nn.Module]] = (
    {
        "torchvision vit": lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5),
        "torchvision swin": swin,
        "torchvision swin v2": lambda: swin(block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2),
        "torchvision convnext": convnext,
        "torchvision mobilenet v3": lambda: torchvision.models.mobilenet_v3_small(num_classes=5),
        "timm vit": of_timm("vit_tiny_patch16_224", **SMALL),
        "timm deit": of_timm("deit_tiny_distilled_patch16_224", **SMALL),
        "timm swin": of_timm(
            "swin_tiny_patch4_window7_224", img_size=28, embed_dim=16, depths=(1, 1), num_heads=(2, 2)
        ),
        "timm convnext": of_timm("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 8, 8, 8)),
        "timm convnext v2": of_timm("convnextv2_atto", depths=(1, 1, 1, 1), dims=(8, 8, 8, 8)),
        "timm eva 02": of_timm("eva02_tiny_patch14_224", **{**SMALL, "img_size": 28, "patch_size": 14}),
        "timm beit": of_timm("beit_base_patch16_224", **SMALL),
        "transformers swin": of_transformers(
            "Swin", image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
        ),
        "transformers convnext": of_transformers("ConvNext", hidden_sizes=[8, 16], depths=[1, 1], num_stages=2),
    }
    | {
        f"transformers {kind.lower()}, {attention}": of_transformers(
            kind, **VIEWED, **more, attn_implementation=attention
        )
        for kind, more in {
            "ViT": {},
            "Beit": {"use_relative_position_bias": True, "layer_scale_init_value": 0.1},
            "DeiT": {},
            "Dinov2": {},
        }.items()
        for attention in ("eager", "sdpa")
    }
    | {f"transformers clip, {attention}": clip(attention) for attention in ("eager", "sdpa")}
)


def built(name: str) -> tuple[nn.Module, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = NETWORKS[name]().double().eval()
        side = 28 if name in ("timm swin", "timm eva 02") else 32
        return model, torch.randn(2, 3, side, side, dtype=torch.float64)


def logit(output: Any) -> Tensor:
    logits: Tensor = getattr(output, "logits", output)
    return logits[:, 1:2]


@pytest.mark.parametrize("name", NETWORKS)
def test_relevance_and_what_is_added_sum_to_the_score(name: str) -> None:
    total, score = balance(LIBRAGRAD, *built(name), logit)
    assert total == pytest.approx(score, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rules_of_attnlrp_serve_it_too(name: str) -> None:
    balance(ATTNLRP, *built(name), logit)


@pytest.mark.parametrize("name", ["timm convnext v2", "timm eva 02"])
def test_products_of_two_values_have_a_rule_or_are_refused(name: str) -> None:
    total, score = balance(CPLRP, *built(name), logit)
    assert total == pytest.approx(score, rel=1e-9)
    with pytest.raises(ConfigError, match=r"got Mul, a product of two values .* in module .*mlp"):
        balance(DECOMPX, *built(name), logit)
