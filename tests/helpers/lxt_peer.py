"""LXT's relevance of small vision transformers, in a process of its own: it patches torch's and transformers' classes.

``python -m helpers.lxt_peer FILE`` writes a map (N, H, W) for each of ``PEERS``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torchvision.models import VisionTransformer, vision_transformer

CLASS = 1
SIDE = {"image_size": 32, "patch_size": 8}
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def torchvision_vit() -> nn.Module:
    return drawn(VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5))


def transformers_vit() -> nn.Module:
    config = transformers.ViTConfig(**SIDE, **SIZES, num_labels=5, attn_implementation="eager")
    return drawn(transformers.ViTForImageClassification(config))


def drawn(model: nn.Module) -> nn.Module:
    """In float64, with weights that no initialization made small."""
    generator = torch.Generator().manual_seed(0)
    for value in model.parameters():
        value.data.normal_(0, 0.3, generator=generator)
    return model.double().eval()


def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


MODELS: Mapping[str, Callable[[], nn.Module]] = {"cplrp": torchvision_vit, "attnlrp": transformers_vit}
"""The network on which each rule is compared: LXT has a table for torchvision's ViT, and that is CP-LRP."""


def import_lxt() -> None:
    """LXT 2.1 imports a copy of BERT that asks for modules which transformers has given up; nothing here is of it."""
    bert: Any = ModuleType("lxt.efficient.models.bert")
    bert.modeling_bert, bert.attnLRP = ModuleType("modeling_bert"), {}
    sys.modules[bert.__name__] = bert


def cplrp(model: nn.Module) -> Tensor:
    from lxt.efficient import monkey_patch

    monkey_patch(vision_transformer)
    return inputxgradient(model(x := leaf()), x)


def attnlrp(model: nn.Module) -> Tensor:
    """LXT's parts put together as its tables for transformers' language models have them: there is none for ViT."""
    from lxt.efficient import patches
    from transformers.activations import GELUActivation
    from transformers.models.vit import modeling_vit

    patches.patch_method(patches.non_linear_forward, GELUActivation, keep_original=True)
    patches.patch_method(patches.layer_norm_forward, nn.LayerNorm)
    modeling_vit.eager_attention_forward = patches.wrap_attention_forward(modeling_vit.eager_attention_forward)
    return inputxgradient(model(x := leaf()).logits, x)


def leaf() -> Tensor:
    return images().requires_grad_()


def inputxgradient(logits: Tensor, x: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(logits[:, CLASS].sum(), x)
    return (x * gradient).sum(1).detach()


PEERS: Mapping[str, Callable[[nn.Module], Tensor]] = {"attnlrp": attnlrp, "cplrp": cplrp}


def main() -> None:
    import_lxt()
    models = {name: make() for name, make in MODELS.items()}
    torch.save({name: peer(models[name]) for name, peer in PEERS.items()}, sys.argv[1])


if __name__ == "__main__":
    main()
