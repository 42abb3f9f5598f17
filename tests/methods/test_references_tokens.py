"""The methods of attention and FullGrad, restated slowly: attention written out, loops, float64, no xaikit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

import xaikit
from helpers.nets import distance, random_model
from helpers.slow_formulas import Array
from helpers.transformers import GRID, TOKENS, Explicit, fused, multihead, pictures, transformer
from xaikit import ConfigError

EXACT = 1e-10
CLASSES = [2, 0]


def evidence(plain: Any, explicit: Explicit, x: Tensor, index: int) -> tuple[list[Array], list[Array]]:
    """Probabilities and gradients of the score by block, (N, H, Q, K) each."""
    explicit.probabilities.clear()
    score = plain(x)[:, index].sum()
    gradients = torch.autograd.grad(score, explicit.probabilities)
    return [one.detach().numpy() for one in explicit.probabilities], [one.numpy() for one in gradients]


def rolled(blocks: list[Array], fuse: Callable[[Array], Array], discard: float = 0) -> Array:
    """R = A_L ... A_1 for one sample, of blocks (H, K, K)."""
    product = np.eye(TOKENS)
    for heads in blocks:
        attention = np.zeros((TOKENS, TOKENS))
        for q in range(TOKENS):
            for k in range(TOKENS):
                attention[q, k] = fuse(heads[:, q, k])
        dropped = np.argsort(attention, axis=None, kind="stable")[: int(discard * TOKENS**2)]
        attention.flat[dropped] = 0
        for q in range(TOKENS):
            attention[q, q] += 1
            attention[q] /= attention[q].sum()
        product = attention @ product
    return product


def relevance(blocks: list[Array], gradients: list[Array]) -> Array:
    """R <- R + Abar R from R = I, for one sample."""
    product = np.eye(TOKENS)
    for heads, slopes in zip(blocks, gradients, strict=True):
        mean = np.zeros((TOKENS, TOKENS))
        for head, slope in zip(heads, slopes, strict=True):
            mean += np.maximum(head * slope, 0) / len(heads)
        product = product + mean @ product
    return product


def read(matrix: Array, how: str) -> Tensor:
    row = matrix[0] if how == "class" else np.mean([matrix[q] for q in range(1, TOKENS)], axis=0)
    return torch.from_numpy(row[1:].reshape(GRID))


FUSED: dict[str, Callable[..., Array]] = {"mean": np.mean, "max": np.max, "min": np.min}


@pytest.mark.parametrize("pool", ["token", "avg"])
@pytest.mark.parametrize(
    "options",
    [{}, {"heads": "max"}, {"heads": "min"}, {"discard": 0.6}, {"read": "class"}, {"read": "mean", "discard": 0.3}],
    ids=str,
)
def test_rollout(options: dict[str, Any], pool: str) -> None:
    explicit, x = Explicit(), pictures(3)
    blocks, _ = evidence(transformer(explicit, pool=pool), explicit, x, 0)
    net = transformer(fused, pool=pool)
    saliency = xaikit.explain(net, x, {"it": {"use": "rollout", **options}}, target="top1")["it"].maps["attention"]
    how = options.get("read", "class" if pool == "token" else "mean")
    fuse, discard = FUSED[options.get("heads", "mean")], options.get("discard", 0)
    for row in range(3):
        expected = read(rolled([block[row] for block in blocks], fuse, discard), how)
        assert (saliency[row] - expected).abs().max() <= EXACT


@pytest.mark.parametrize("pool", ["token", "avg"])
@pytest.mark.parametrize("options", [{}, {"block": 0}, {"heads": "max", "block": -2}, {"read": "mean"}], ids=str)
def test_raw_attention(options: dict[str, Any], pool: str) -> None:
    explicit, x = Explicit(), pictures(3)
    blocks, _ = evidence(transformer(explicit, pool=pool), explicit, x, 0)
    net = transformer(fused, pool=pool)
    spec = {"it": {"use": "rawattention", **options}}
    saliency = xaikit.explain(net, x, spec, target="top1")["it"].maps["attention"]
    how = options.get("read", "class" if pool == "token" else "mean")
    for row in range(3):
        attention = FUSED[options.get("heads", "mean")](blocks[options.get("block", -1)][row], axis=0)
        assert (saliency[row] - read(attention, how)).abs().max() <= EXACT


def test_a_block_that_is_not_there() -> None:
    net = transformer(fused)
    with pytest.raises(ConfigError, match="block: expected one of the model's 3, from 0 on, got 9"):
        xaikit.explain(net, pictures(1), {"it": {"use": "rawattention", "block": 9}}, target="top1")


@pytest.mark.parametrize("pool", ["token", "avg"])
@pytest.mark.parametrize("how", ["auto", "class", "mean"])
def test_gae(how: str, pool: str) -> None:
    explicit, x = Explicit(), pictures(3)
    plain, net = (transformer(attend, pool=pool) for attend in (explicit, fused))
    spec, target = {"it": {"use": "gae", "read": how}}, {"use": "classes", "of": CLASSES}
    saliency = xaikit.explain(net, x, spec, target=target)["it"].maps["attention"]
    how = how if how != "auto" else "class" if pool == "token" else "mean"
    for column, index in enumerate(CLASSES):
        blocks, gradients = evidence(plain, explicit, x, index)
        for row in range(3):
            matrix = relevance([one[row] for one in blocks], [one[row] for one in gradients])
            expected = read(matrix - np.eye(TOKENS), how)
            assert distance(saliency[row : row + 1, column], expected[None]) <= EXACT


def explainability(plain: Any, explicit: Explicit, x: Tensor, index: int, last: int) -> Array:
    """LeGrad: every block for itself on cut-off tokens."""
    tokens, maps = plain.tokens(x), []
    for block in plain.blocks:
        tokens = block(tokens.detach())
        score = plain.read(tokens)[:, index].sum()
        (slopes,) = torch.autograd.grad(score, explicit.probabilities[-1])
        heads, queries = slopes.shape[1:3]
        total = np.zeros((len(x), TOKENS))
        for head in range(heads):
            for query in range(queries):
                total += np.maximum(slopes[:, head, query].numpy(), 0) / (heads * queries)
        maps.append(total)
    mean: Array = np.mean(maps[-last:], axis=0)
    return mean[:, 1:].reshape(len(x), *GRID)


@pytest.mark.parametrize("pool", ["token", "avg"])
@pytest.mark.parametrize("last", [None, 1, 2])
def test_legrad(last: int | None, pool: str) -> None:
    explicit, x = Explicit(), pictures(3)
    plain, net = (transformer(attend, pool=pool) for attend in (explicit, fused))
    spec, target = {"it": {"use": "legrad", "last": last}}, {"use": "classes", "of": CLASSES}
    saliency = xaikit.explain(net, x, spec, target=target)["it"].maps["attention"]
    for column, index in enumerate(CLASSES):
        expected = torch.from_numpy(explainability(plain, explicit, x, index, last or 3))
        assert distance(saliency[:, column], expected) <= EXACT


@pytest.mark.parametrize("use", ["rollout", "gae"])
def test_a_missing_class_token_is_an_error(use: str) -> None:
    net = transformer()
    net.place = nn.Parameter(net.place[:, 1:])
    net.global_pool = "avg"
    net.tokens = lambda x: net.embed(x).flatten(2).transpose(1, 2) + net.place
    with pytest.raises(ConfigError, match="read: expected a token that is no place of the grid, got none"):
        xaikit.explain(net, pictures(), {"it": {"use": use, "read": "class"}}, target=0)
    saliency = xaikit.explain(net, pictures(), use, target=0)[use].maps["attention"]
    assert saliency.shape == (2, *GRID)
    assert saliency.any()


@pytest.mark.parametrize("use", ["rollout", "gae", "legrad"])
@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2", "vit_base_patch16_siglip_224"]
)
def test_real_architectures_are_served(use: str, name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = timm.create_model(
            name, img_size=56 if "14" in name else 64, num_classes=7, embed_dim=48, num_heads=3, depth=2
        )
    side = net.patch_embed.img_size[0]
    saliency = xaikit.explain(net.eval(), torch.randn(2, 3, side, side), use, target=3)[use].maps["attention"]
    assert saliency.shape == (2, 4, 4)
    assert (saliency.flatten(1).std(1) > 0).all()


def test_half_precision_rounds_and_does_no_more() -> None:
    net, x = multihead(), pictures()
    spec = ["rollout", "gae", "legrad"]
    exact = xaikit.explain(net, x, spec, target=1)
    rough = xaikit.explain(net.bfloat16(), x.bfloat16(), spec, target=1)
    for label in spec:
        assert rough[label].maps["attention"].dtype is torch.float32
        assert distance(rough[label].maps["attention"].double(), exact[label].maps["attention"]) < 0.25


def test_gae_of_a_tiny_score_loses_nothing_to_the_identity() -> None:
    net, x = transformer(pool="avg").float(), pictures().float()
    once, tiny = (
        xaikit.explain(net, x, "gae", target=lambda logits, times=times: times * logits[:, 1])["gae"].maps["attention"]
        for times in (1e-6, 1e-12)
    )
    assert distance(tiny * 1e6, once) < 1e-5


# --- FullGrad


def stretched(channel: Array) -> Array:
    low, high = channel.min(), channel.max()
    return (channel - low) / (high - low) if high > low else 0 * channel


def fullgrad(net: nn.Sequential, x: Tensor, index: int, rescale: str) -> Tensor:
    """By hooks and loops, for a Sequential of convolutions, batch normalizations and ReLUs: one sample (1, C, H, W)."""
    leaf, outputs = x.clone().requires_grad_(), []
    given = leaf
    for module in net:
        given = module(given)
        outputs.append(given)
    gradients = torch.autograd.grad(given[:, index].sum(), [leaf, *outputs], allow_unused=True)
    shares = [(x * gradients[0])[0]]
    for module, gradient in zip(net, gradients[1:], strict=True):
        if isinstance(module, nn.Conv2d):
            shares.append((module.bias.view(-1, 1, 1) * gradient[0]).detach())
        if isinstance(module, nn.BatchNorm2d):
            mean, deviation = module.running_mean, (module.running_var + module.eps).sqrt()
            bias = module.bias - module.weight * mean / deviation
            shares.append((bias.view(-1, 1, 1) * gradient[0]).detach())
    saliency = torch.zeros(1, 1, *x.shape[2:], dtype=x.dtype)
    for share in shares:
        sizes = share.abs().numpy()
        for channel in [stretched(one) for one in sizes] if rescale == "channel" else stretched(sizes):
            part = torch.from_numpy(channel)[None, None]
            saliency += nn.functional.interpolate(part, size=x.shape[2:], mode="bilinear", align_corners=False)
    return saliency[0, 0]


@pytest.mark.parametrize("rescale", ["channel", "layer"])
def test_fullgrad(rescale: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            *(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 2), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)),
        )
        net[1].running_mean.normal_()
        net[1].running_var.uniform_(0.5, 2)
        net[1].bias.data.normal_()
        x = torch.randn(2, 3, 12, 9, dtype=torch.float64)
    net = net.double().eval()
    spec, target = {"it": {"use": "fullgrad", "rescale": rescale}}, {"use": "classes", "of": CLASSES}
    saliency = xaikit.explain(net, x, spec, target=target)["it"].maps["input"]
    for column, index in enumerate(CLASSES):
        for row in range(2):
            expected = fullgrad(net, x[row : row + 1], index, rescale)
            assert (saliency[row, column] - expected).abs().max() <= EXACT * expected.abs().max()


SERVED = [
    *("resnet18", "vgg11_bn", "densenet121", "mobilenet_v2", "googlenet", "convnext_tiny", "squeezenet1_1"),
    *("shufflenet_v2_x0_5", "regnet_x_400mf", "mnasnet0_5"),
]


def of_torchvision(name: str) -> nn.Module:
    if name != "googlenet":
        return random_model(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net: nn.Module = torchvision.models.googlenet(weights=None, init_weights=False).eval()
        return net


@pytest.mark.parametrize("name", SERVED)
def test_fullgrad_serves_networks_whose_additions_are_all_modules(name: str) -> None:
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    explanation = xaikit.explain(of_torchvision(name), x, "fullgrad", target=[1])["fullgrad"]
    assert explanation.maps["input"].shape == (1, 64, 64)
    assert explanation.maps["input"].any()
    assert explanation.numbers["unexplained"]["input"].max() <= 1e-4


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v3_small", "regnet_y_400mf"])
def test_fullgrad_refuses_networks_that_multiply_activations(name: str) -> None:
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ConfigError, match=r"left over: .* or this model adds by what is no module"):
        xaikit.explain(of_torchvision(name), x, "fullgrad", target=[1])


def test_fullgrad_refuses_attention() -> None:
    for net in (transformer(), multihead()):
        with pytest.raises(ConfigError, match="of the largest term left over"):
            xaikit.explain(net, pictures(), "fullgrad", target=1)
