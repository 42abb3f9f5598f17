"""On networks as they are: a replay equals the full re-run, or falls back and says so.

In float64 to 1e-12 of the largest score. In float32 another batch size, memory format or number of threads chooses other
kernels, which alone moves some by 1e-5; there the engine's own tolerance holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

import xaikit
from helpers.nets import calibrated, redrawn
from xaikit import Needs
from xaikit.passes.tolerance import TOLERANCES
from xaikit.reruns.replay import FULL
from xaikit.view import View

COUNT = 5
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, tuple[str, str, str]]] = {
    "resnet18": (lambda: torchvision.models.resnet18(weights=None), 64, ("layer1", "layer3.0.bn2", "layer4")),
    "densenet121": (
        lambda: torchvision.models.densenet121(weights=None),
        64,
        ("features.transition1", "features.denseblock3.denselayer4", "features.norm5"),
    ),
    "mobilenet_v3": (
        lambda: torchvision.models.mobilenet_v3_small(weights=None),
        64,
        ("features.1", "features.6", "features"),
    ),
    "convnext_tiny": (
        lambda: torchvision.models.convnext_tiny(weights=None),
        64,
        ("features.1", "features.3", "features.7"),
    ),
    "efficientnet_lite0": (
        lambda: timm.create_model("tf_efficientnet_lite0", pretrained=False),
        64,
        ("blocks.1", "blocks.4", "bn2"),
    ),
    "vit_b_16": (
        lambda: torchvision.models.VisionTransformer(
            image_size=64, patch_size=16, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128
        ),
        64,
        ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1.mlp", "encoder.layers.encoder_layer_2"),
    ),
    "swin_t": (lambda: torchvision.models.swin_t(weights=None), 64, ("features.1", "features.3.0.attn", "features.5")),
}
CASES = [(name, layer) for name, (_, _, layers) in NETWORKS.items() for layer in layers]
AROUND = {("densenet121", "features.denseblock3.denselayer4")}
"""Its input is concatenated around it, so variants cannot outnumber inputs."""


@cache
def network(name: str, dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
    """Seeded, with heads and layer scales that start at (nearly) zero redrawn: otherwise 0 = 0 is all that is shown."""
    build, size, _ = NETWORKS[name]
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = redrawn(build().eval())
    calibrated(model, torch.randn(8, 3, size, size, generator=generator))
    return model.to(dtype), torch.randn(2, 3, size, size, generator=generator).to(dtype)


@dataclass(frozen=True)
class Scaled:
    """Scores of the activations with the k-th fifth of their channels set to zero, by replays and by full runs."""

    records: list[Tensor]
    needs: ClassVar[Needs] = Needs(replays=True)

    def explain(self, view: View) -> Tensor:
        self.records.append(view.rescore_with(COUNT, lambda part: ablated(view.activations.squeeze(1), part)))
        return view.activations.mean(view.channel)


def ablated(activations: Tensor, part: slice) -> Tensor:
    variants = []
    for place in range(COUNT)[part]:
        variant = activations.clone()
        variant[:, place::COUNT] = 0
        variants.append(variant)
    return torch.stack(variants, 1)


def full(model: nn.Module, x: Tensor, layer: str, dim: int, classes: Tensor) -> Tensor:
    """The whole model on every input as often as it has variants and once more, which are made by a plain hook.

    Prefix tokens are left as they are.
    """
    rows = COUNT + 1

    def ablate(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        changed = output.clone()
        for place in range(COUNT):
            index: list[Any] = [slice(None)] * output.dim()
            index[0] = slice(place + 1, None, rows)
            index[dim] = slice(place, None, COUNT)
            if output.dim() == 3:
                index[1] = slice(1, None)
            changed[tuple(index)] = 0
        return changed

    handle = model.get_submodule(layer).register_forward_hook(ablate)
    with torch.no_grad():
        scores = model(x.repeat_interleave(rows, 0)).gather(1, classes.repeat_interleave(rows, 0))
    handle.remove()
    return scores.view(len(x), 1, rows)[..., 1:]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, TOLERANCES[torch.float32])])
@pytest.mark.parametrize(("name", "layer"), CASES)
def test_a_replay_equals_the_full_run_or_falls_back_and_says_so(
    name: str, layer: str, dtype: torch.dtype, tolerance: float
) -> None:
    model, x = network(name, dtype)
    method = Scaled([])
    explained = xaikit.explain(model, x, {"mine": method}, layers=layer, target=[1, 2])["mine"]
    channels_last = name == "swin_t" or name == "vit_b_16"
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    expected = full(model, x, layer, -1 if channels_last else 1, torch.tensor([[1], [2]]))
    torch.backends.mha.set_fastpath_enabled(fast)
    (scores,) = method.records
    assert (expected.std(2) > 1e-4 * expected.abs().max()).all()
    assert (scores - expected).abs().max() <= tolerance * expected.abs().max()
    is_full = FULL in {remark.reason for remark in explained.warnings}
    assert is_full == ((name, layer) in AROUND)
