"""Methods whose gradients are taken by rules: what they share, what they leave alone, and theorems between them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

import xaikit
from helpers.untouched import untouched
from xaikit import ConfigError, Disconnected, Explanation
from xaikit.engine import Batch, Request, explain
from xaikit.evidence.taps import Tap
from xaikit.passes.tally import Tally
from xaikit.plain.remarks import ZERO_GRADIENTS
from xaikit.registry import Registry

FAMILY = ["libragrad", "attnlrp", "cplrp", "alilrp", "decompx"]
CAMS = ["gradcam", "hirescam", "layercam", "gradcampp"]
RAW = {"rectify": "none", "normalize": "none", "scale": "none", "resize": "none", "fuse": "none"}


class Block(nn.Module):
    """Attention and a gated MLP beside residual connections, nothing with a bias."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.mlp = nn.Sequential(nn.LayerNorm(width, bias=False), nn.Linear(width, 8, bias=False), nn.GELU())
        self.out = nn.Linear(8, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(self.norm(tokens)).unflatten(2, (3, 2, -1)).movedim((2, 3), (0, 2))
        tokens = tokens + scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return tokens + self.out(self.mlp(tokens))


class Transformer(nn.Module):
    """Patches, two blocks and the mean of all tokens: no bias, so that all of the score comes through every layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4, bias=False)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(8, bias=False)
        self.head = nn.Linear(8, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.blocks(self.embed(x).flatten(2).transpose(1, 2))
        logits: Tensor = self.head(self.norm(tokens).mean(1))
        return logits


def seeded(build: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = build().double().eval()
        for value in model.parameters():
            if not value.any():  # as a head is made, and biases
                nn.init.normal_(value)
        return model


def images(side: int = 16) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def vit() -> nn.Module:
    return torchvision.models.VisionTransformer(16, 4, 2, 2, 8, 16, num_classes=5)


def maps(model: nn.Module, methods: Any, layers: Any, target: Any = 1, **more: Any) -> dict[str, Explanation]:
    x = images()
    with untouched(model, x):
        return xaikit.explain(model, x, methods, layers=layers, target=target, finish=RAW, **more)


def passed(model: nn.Module, names: list[str], layer: str) -> tuple[Tally, dict[str, Explanation], dict[str, str]]:
    """What one pass for several methods cost, what it explained, and what failed."""
    registry, tally, failed = Registry(), Tally(), dict[str, str]()
    methods = {name: registry.find("method", name).cls() for name in names}
    target = registry.find("target", "logit").cls(1)
    requests = [Request(name, name, method, (Tap(layer),), target, None) for name, method in methods.items()]

    def fail(request: Request, error: Exception) -> None:
        failed[request.label] = str(error)

    _, explained = explain(model, Batch(images(), ("a", "b")), requests, tally=tally, failed=fail)
    return tally, explained, failed


@pytest.mark.parametrize("method", ["libragrad", "cplrp", "decompx"])
@pytest.mark.parametrize("layer", ["input", "embed", "blocks.0", "blocks.1"])
def test_without_biases_relevance_sums_to_the_score_at_every_layer(method: str, layer: str) -> None:
    explained = maps(seeded(Transformer), [method], layer)[method]
    assert torch.allclose(explained.maps[layer].flatten(1).sum(1), explained.scores, rtol=1e-9)


def test_in_a_vision_transformer_of_torchvision_three_methods_are_one() -> None:
    explained = maps(seeded(vit), FAMILY, "encoder.layers.encoder_layer_0.ln_1")
    found = {name: next(iter(one.maps.values())) for name, one in explained.items()}
    assert torch.equal(found["libragrad"], found["cplrp"])
    assert torch.equal(found["libragrad"], found["decompx"])
    assert not torch.allclose(found["libragrad"], found["attnlrp"], rtol=1e-3)
    assert not torch.allclose(found["libragrad"], found["alilrp"], rtol=1e-3)


@pytest.mark.parametrize("method", FAMILY)
def test_of_a_network_of_relus_it_is_activation_times_gradient(method: str) -> None:
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten()]
    model = seeded(lambda: nn.Sequential(*layers, nn.Linear(100, 5)))
    found = maps(model, {"relevance": method, "hirescam": "hirescam"}, ["input", "1", "4"])
    for layer, one in found["relevance"].maps.items():
        assert torch.equal(one, found["hirescam"].maps[layer])


def test_one_forward_and_a_backward_for_rules_that_differ_on_this_graph() -> None:
    model = seeded(vit)
    layer = "encoder.layers.encoder_layer_0"
    tally = passed(model, [*FAMILY, *CAMS], layer)[0]
    # the ordinary one, that of three methods, AttnLRP's and AliLRP's
    assert (tally.forwards, tally.gradient_calls, tally.reruns) == (1, 4, 0)
    tally = passed(model, ["libragrad"], layer)[0]
    assert (tally.forwards, tally.gradient_calls, tally.reruns) == (1, 1, 0)


def test_what_stands_beside_it_is_as_it_is_alone_to_the_bit() -> None:
    model, layers = seeded(vit), ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1"]
    together = maps(model, [*FAMILY, *CAMS], layers)
    for name, one in together.items():
        alone = maps(model, [name], layers)[name]
        assert torch.equal(one.scores, alone.scores)
        assert all(torch.equal(one.maps[layer], alone.maps[layer]) for layer in layers)


def test_the_forward_is_the_models_own_to_the_bit() -> None:
    model = seeded(vit).float()
    x = images().float()
    explained = xaikit.explain(model, x, FAMILY, layers="input", target=[1, 4])
    expected = model(x)[[0, 1], [1, 4]].detach()  # with grad on, as torch's fast path for attention is another
    assert all(torch.equal(one.scores, expected) for one in explained.values())


class Beside(nn.Module):
    """A product of two branches, a sigmoid in one and nothing but a softmax behind a third."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.gate = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        product = self.left(x) * self.right(x) * self.gate(x).sigmoid()
        logits: Tensor = self.head(product.mean((2, 3)))
        return logits


def test_relevance_at_a_branch_is_what_it_is_without_the_others() -> None:
    model = seeded(Beside)
    together = maps(model, ["libragrad"], ["stem", "left", "right"])["libragrad"]
    for layer in ("stem", "left", "right"):
        assert torch.equal(together.maps[layer], maps(model, ["libragrad"], layer)["libragrad"].maps[layer])
    # of one branch alone the product is linear; of both each has half
    less = together.scores - model.head.bias.detach()[1]  # type: ignore[union-attr, index, operator]
    for layer in ("left", "right"):
        assert torch.allclose(together.maps[layer].flatten(1).sum(1), less, rtol=1e-9)


def test_where_the_rules_let_nothing_through_the_map_is_zero_and_says_so() -> None:
    class Queried(Transformer):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.embed(x).flatten(2).transpose(1, 2)
            query, tokens = self.query(tokens).unsqueeze(1), tokens.unsqueeze(1)
            logits: Tensor = self.head(scaled_dot_product_attention(query, tokens, tokens)).mean((1, 2))
            return logits

    explained = maps(seeded(Queried), {"libragrad": "libragrad", "attnlrp": "attnlrp"}, "query")
    assert not explained["libragrad"].maps["query"].any()
    assert {remark.reason for remark in explained["libragrad"].warnings} == {ZERO_GRADIENTS}
    assert explained["attnlrp"].maps["query"].any()


def test_of_a_sigmoid_that_gates_nothing_of_the_layer_there_is_no_share() -> None:
    with pytest.raises(ConfigError, match="got Sigmoid in what the model itself computes"):
        maps(seeded(Beside), ["libragrad"], "gate")


def test_a_layer_beside_the_way_is_disconnected_as_ever() -> None:
    class Aside(Beside):
        def forward(self, x: Tensor) -> Tensor:
            self.left(self.stem(x))
            logits: Tensor = self.head(self.stem(x).mean((2, 3)))
            return logits

    with pytest.raises(Disconnected, match="does not depend on layer left"):
        maps(seeded(Aside), ["libragrad"], "left")


def test_a_refusal_fails_the_methods_of_these_rules_and_no_others() -> None:
    model = seeded(Beside)
    with pytest.raises(ConfigError, match=r"got Mul, a product of two values .* in what the model itself computes"):
        maps(model, ["decompx"], "stem")
    _, explained, failed = passed(model, ["decompx", "libragrad", "gradcam"], "stem")
    assert set(explained) == {"libragrad", "gradcam"}
    assert set(failed) == {"decompx"}


def test_several_classes_are_explained_each_by_a_backward() -> None:
    model, layer = seeded(vit), "encoder.layers.encoder_layer_0"
    together = maps(model, ["attnlrp"], layer, {"use": "classes", "of": [3, 0]})["attnlrp"].maps[layer]
    for place, index in enumerate([3, 0]):
        alone = maps(model, ["attnlrp"], layer, index)["attnlrp"].maps[layer]
        assert torch.allclose(together[:, place], alone, rtol=1e-9)


def test_a_probability_starts_from_its_gradient_at_the_logits() -> None:
    model = seeded(Transformer)
    probability = maps(model, ["libragrad"], "embed", {"use": "softmax", "of": 1})["libragrad"]
    logits = [maps(model, ["libragrad"], "embed", index)["libragrad"].maps["embed"] for index in range(5)]
    with torch.no_grad():
        shares = model(images()).softmax(1)
    slopes = shares[:, 1:2] * (torch.eye(5, dtype=shares.dtype)[1] - shares)
    expected = sum(slope.view(-1, 1, 1) * one for slope, one in zip(slopes.unbind(1), logits, strict=True))
    assert torch.allclose(probability.maps["embed"], expected, rtol=1e-9)  # type: ignore[arg-type]


def test_augmented_passes_have_the_rules_too() -> None:
    model, x = seeded(Transformer), images()
    method = {"it": {"use": "libragrad", "augment": {"flip": True}}}
    found = xaikit.explain(model, x, method, layers="embed", target=1, finish=RAW)["it"].maps["embed"]
    plain, flipped = (
        xaikit.explain(model, one, "libragrad", layers="embed", target=1, finish=RAW)["libragrad"].maps["embed"]
        for one in (x, x.flip(3))
    )
    assert torch.allclose(found, (plain + flipped.flip(2)) / 2, rtol=1e-9)


def test_samples_that_depend_on_each_other_are_explained_each_by_its_own_score() -> None:
    class Batched(Transformer):
        def forward(self, x: Tensor) -> Tensor:
            logits = super().forward(x)
            return logits - logits.mean(0, keepdim=True)

    model, x = seeded(Batched), images()
    explained = xaikit.explain(model, x, "libragrad", layers="embed", target=1, finish=RAW)["libragrad"]
    own = xaikit.explain(seeded(Transformer), x, "libragrad", layers="embed", target=1, finish=RAW)["libragrad"]
    # of two samples half of each score is the other's
    assert torch.allclose(explained.maps["embed"], own.maps["embed"] / 2, rtol=1e-9)
