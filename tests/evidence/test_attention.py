"""Attention is recorded as it is, its gradients are those of attention written out, and nothing of the model changes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import scaled_dot_product_attention

import xaikit
from helpers.transformers import (
    CLASSES,
    GRID,
    HEADS,
    TOKENS,
    WIDTH,
    AttentionProbe,
    Block,
    BlockAttentionProbe,
    Explicit,
    Multihead,
    Transformer,
    fused,
    multihead,
    pictures,
    seeded,
    slow_path,
    transformer,
)
from helpers.untouched import untouched
from xaikit import ConfigError, Needs
from xaikit.passes.attention import probabilities_of

EXACT = 1e-11
METHODS = ["rollout", "gae", "legrad"]
CLASSES_OF = {"use": "classes", "of": [1, 3]}
SHUT = torch.ones(TOKENS, TOKENS).tril(6).bool()
LEANING = torch.linspace(-3, 3, TOKENS * TOKENS, dtype=torch.float64).view(TOKENS, TOKENS).sin()
CAUSAL = torch.ones(TOKENS, TOKENS).tril().bool()


def infinite(open_: Tensor) -> Tensor:
    """A mask to add, of a mask of what may be attended to."""
    return torch.zeros(open_.shape, dtype=torch.float64).masked_fill(~open_, -torch.inf)


WAYS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "plain": ({}, {}, 1),
    "a mask of truth values": ({"attn_mask": SHUT}, {"mask": infinite(SHUT)}, 1),
    "a mask to add": ({"attn_mask": LEANING}, {"mask": LEANING}, 1),
    "a mask a sample": ({"attn_mask": LEANING.expand(2, 1, -1, -1)}, {"mask": LEANING}, 1),
    "causal": ({"is_causal": True}, {"mask": infinite(CAUSAL)}, 1),
    "scaled": ({"scale": 0.9}, {"scale": 0.9}, 1),
    "grouped queries": ({"enable_gqa": True}, {}, 2),
    "grouped, causal and scaled": (
        {"enable_gqa": True, "is_causal": True, "scale": 0.9},
        {"scale": 0.9, "mask": infinite(CAUSAL)},
        2,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_probabilities_and_gradients_are_those_of_attention_written_out(way: str) -> None:
    options, written, shared = WAYS[way]
    explicit = Explicit(**written)
    plain, x = transformer(explicit, shared), pictures()
    scores = plain(x)
    probe = AttentionProbe()
    net = transformer(partial(fused, **options), shared)
    explanation = xaikit.explain(net, x, {"probe": probe}, target=CLASSES_OF)["probe"]
    assert (explanation.scores - scores[:, [1, 3]]).abs().max() <= EXACT
    assert [name for name, _, _ in probe.records] == ["blocks.0", "blocks.1", "blocks.2"]
    for (_, probabilities, gradients), expected in zip(probe.records, explicit.probabilities, strict=True):
        assert probabilities.shape == (2, 1, HEADS, TOKENS, TOKENS)
        assert gradients.shape == (2, 2, HEADS, TOKENS, TOKENS)
        assert (probabilities[:, 0] - expected).abs().max() <= EXACT
        for column, index in enumerate([1, 3]):
            (true,) = torch.autograd.grad(scores[:, index].sum(), expected, retain_graph=True)
            assert true.any()
            assert (gradients[:, column] - true).abs().max() <= EXACT


def logits_of(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT * query.shape[-1] ** -0.5


WRITTEN: dict[str, Any] = {
    "torch.softmax and @": lambda query, key, value: torch.softmax(logits_of(query, key), -1) @ value,
    "softmax of the tensor, matmul": lambda query, key, value: logits_of(query, key).softmax(dim=3).matmul(value),
    "dropout between": lambda query, key, value: torch.matmul(
        functional.dropout(functional.softmax(logits_of(query, key), dim=-1), 0.5, training=False), value
    ),
}


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("label", METHODS)
def test_attention_that_a_model_writes_out_is_that_of_torchs_own(way: str, label: str) -> None:
    x, maps = pictures(), []
    for attend in (WRITTEN[way], fused):
        net = transformer(attend)
        with untouched(net, x):
            maps.append(xaikit.explain(net, x, label, target=CLASSES_OF)[label].map)
    assert maps[1].any()
    assert (maps[0] - maps[1]).abs().max() <= EXACT


def test_a_softmax_of_something_else_is_no_attention() -> None:
    def gated(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return value * value.softmax(-1) + query.softmax(2).sum(2, keepdim=True)

    with pytest.raises(ConfigError, match="got none: this model"):
        xaikit.explain(transformer(gated), pictures(), "rollout", target=0)


def test_a_query_that_may_attend_to_nothing_attends_to_nothing() -> None:
    query, key, value = torch.randn(3, 1, 2, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.ones(4, 4).bool()
    mask[2] = False
    probabilities = probabilities_of(query, key, attn_mask=mask)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert (probabilities @ value - expected).abs().max() <= EXACT
    assert not probabilities[:, :, 2].any()


def by_hand(block: Multihead, tokens: Tensor) -> Tensor:
    """The probabilities of nn.MultiheadAttention from its weights."""
    attention = block.attention
    query, key, _ = (tokens @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, -1)
    query, key = (one.unflatten(2, (HEADS, -1)).transpose(1, 2) for one in (query, key))
    return (query @ key.mT * (WIDTH // HEADS) ** -0.5).softmax(-1)


MULTIHEAD: list[dict[str, bool]] = [
    {"first": True},
    {"first": False},
    {"first": True, "weights": True},
    {"first": False, "weights": True},
    {"first": True, "weights": True, "average": False},
    {"batched": False},
    {"batched": False, "weights": True},
    {"batched": False, "weights": True, "average": False},
]


@pytest.mark.parametrize("options", MULTIHEAD, ids=str)
def test_multihead_attention_is_recorded_and_changes_nothing_to_the_bit(options: dict[str, bool]) -> None:
    net, x = multihead(**options), pictures(1)
    with slow_path():
        scores = net(x)
    probe = AttentionProbe()
    explanation = xaikit.explain(net, x, {"probe": probe}, target={"use": "classes", "of": [0, 1, 2, 3]})["probe"]
    assert torch.equal(explanation.scores, scores)
    assert all(len(set(block.returned)) == 1 for block in net.blocks)
    tokens = net.tokens(x)
    for block, (name, probabilities, _) in zip(net.blocks, probe.records, strict=True):
        assert name.endswith(".attention")
        assert (probabilities[:, 0] - by_hand(block, tokens)).abs().max() <= EXACT
        tokens = block(tokens)


@pytest.mark.parametrize("options", [{"first": True}, {"first": False}, {"weights": True}, {"batched": False}], ids=str)
def test_gradients_at_multihead_attention_are_those_of_finite_differences(options: dict[str, bool]) -> None:
    """Of the path through the mixed values: weights that come back add a constant here, as the sum of rows that sum to 1."""
    net, x = multihead(depth=1, **options), pictures(1)
    probe = AttentionProbe()
    xaikit.explain(net, x, {"probe": probe}, target=1)
    ((_, probabilities, gradients),) = probe.records
    block = net.blocks[0]
    tokens = net.tokens(x)
    value = (tokens @ block.attention.in_proj_weight.T + block.attention.in_proj_bias).chunk(3, -1)[2]
    value = value.unflatten(2, (HEADS, -1)).transpose(1, 2).detach()
    at = probabilities[:, 0].clone().requires_grad_()
    behind = tokens + block.attention.out_proj((at @ value).transpose(1, 2).flatten(2))
    if options.get("weights"):
        behind = behind + probabilities.sum() / probabilities.numel()
    (expected,) = torch.autograd.grad(net.read(behind)[:, 1].sum(), at)
    assert (gradients[:, 0] - expected).abs().max() <= EXACT


NETS: dict[str, Callable[[], Any]] = {
    "fused": transformer,
    "multihead": multihead,
    "multihead with weights": lambda: multihead(weights=True),
    "multihead, the mean of the grid": lambda: multihead(first=False, weights=True, average=False, pool="avg"),
}
BESIDE = {"gradcam": "gradcam", "rollout": "rollout", "gae": "gae", "legrad": "legrad", "layercam": "layercam"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NETS)
def test_methods_beside_those_of_attention_say_what_they_say_alone_to_the_bit(name: str, dtype: torch.dtype) -> None:
    net, x = NETS[name]().to(dtype), pictures(3, dtype)
    options: dict[str, Any] = {"layers": ["embed", "blocks.0"], "target": CLASSES_OF}
    together = xaikit.explain(net, x, BESIDE, **options)
    for label in BESIDE:
        alone = xaikit.explain(net, x, label, **options)[label]
        assert alone.maps.keys() == together[label].maps.keys()
        for layer, saliency in alone.maps.items():
            assert saliency.any()
            assert torch.equal(saliency, together[label].maps[layer]), (label, layer)
        assert torch.equal(alone.scores, together[label].scores) or label == "rollout"


class Switching(nn.Module):
    """A model that switches grad off in its own forward."""

    def __init__(self, inner: nn.Module, mode: Callable[[], AbstractContextManager[Any]]) -> None:
        super().__init__()
        self.inner = inner
        self.mode = mode

    def forward(self, x: Tensor) -> Any:
        with self.mode():
            return self.inner(x)


def explained(net: nn.Module, x: Tensor, **options: Any) -> dict[str, Tensor]:
    explanations = xaikit.explain(net, x, METHODS, target=CLASSES_OF, **options)
    return {label: one.maps["attention"] for label, one in explanations.items()}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_grad_switched_off_by_the_caller_or_the_model_changes_nothing(
    name: str, mode: Callable[[], AbstractContextManager[Any]]
) -> None:
    net, x = NETS[name](), pictures()
    expected = explained(net, x)
    with untouched(net, x), mode():
        by_caller = explained(net, x)
    switching = Switching(NETS[name](), mode)
    with untouched(switching, x):
        by_model = explained(switching, x)
    with untouched(net, x):
        frozen = explained(NETS[name]().requires_grad_(False), x)
    for label, saliency in expected.items():
        assert saliency.any()
        for other in (by_caller, by_model, frozen):
            assert (other[label] - saliency).abs().max() <= EXACT, label


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_nothing_is_left_behind_when_a_forward_raises(name: str, at: int) -> None:
    net, x = NETS[name]().train(), pictures()
    count = 0

    def planted(*_: Any) -> None:
        nonlocal count
        count += 1
        if count >= at:
            raise RuntimeError("planted")

    net.blocks[1].register_forward_pre_hook(planted)
    # the shared pass, the one of blocks apart, and the one of their scores
    with untouched(net, x), pytest.raises(RuntimeError, match="planted"):
        explained(net, x)
    assert count >= at


@pytest.mark.parametrize("label", METHODS)
def test_a_sample_alone_is_what_it_is_in_a_batch(label: str) -> None:
    net, x = transformer(), pictures(3)
    together = explained(net, x)[label]
    alone = explained(net, x[1:2])[label]
    assert alone.shape[0] == 1
    assert (alone[0] - together[1]).abs().max() <= EXACT


def test_autocast_in_the_models_own_forward_is_served() -> None:
    net, x = transformer().float(), pictures(2, torch.float32)
    expected = explained(net, x)
    maps = explained(Switching(net, lambda: torch.autocast("cpu", torch.bfloat16)), x)
    for label, saliency in expected.items():
        assert (maps[label].float() - saliency).abs().max() <= 0.1 * saliency.abs().max(), label


class Windows(nn.Module):
    """Attention in two halves of the picture, as of Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block(fused)

    def forward(self, tokens: Tensor) -> Tensor:
        halves = tokens[:, 1:].unflatten(1, (2, -1)).flatten(0, 1)
        mixed = self.block(halves).unflatten(0, (-1, 2)).flatten(1, 2)
        return torch.cat([tokens[:, :1] + mixed.mean(1, keepdim=True), mixed], 1)


@pytest.mark.parametrize("label", METHODS)
def test_windows_are_refused_by_name(label: str) -> None:
    net, x = seeded(lambda: Transformer(Windows(), Windows())), pictures()
    with pytest.raises(ConfigError, match=r"all tokens of a picture.*got attention of shape .*\(4, 2, 6, 6\).*windows"):
        xaikit.explain(net, x, label, layers="blocks.0", target=0)


def test_a_model_without_attention_is_refused_by_name() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES)).double()
    net(pictures())
    with pytest.raises(
        ConfigError,
        match=r"got none: this model calls neither .*, and multiplies no softmax",
    ):
        xaikit.explain(net, pictures(), "rollout", target=0)


class Towers(nn.Module):
    """A picture and a text, whose embeddings are multiplied."""

    def __init__(self, length: int, depth: int, **options: Any) -> None:
        super().__init__()
        self.vision = Transformer(Block(fused), Block(fused))
        self.words = nn.Embedding(11, WIDTH)
        self.text = nn.ModuleList(Block(partial(fused, **options)) for _ in range(depth))
        self.head = nn.Linear(WIDTH, CLASSES)
        self.length = length

    def forward(self, x: Tensor) -> Tensor:
        words = self.words(torch.arange(self.length).expand(len(x), -1) % 11)
        for block in self.text:
            words = block(words)
        return self.vision(x) * self.head(words[:, -1])


# for all that a number says, 7 words are a class token and a grid of 3 x 2
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize(
    ("length", "depth", "causal"), [(5, 3, True), (7, 3, True), (11, 3, True), (7, 2, False), (11, 1, False)]
)
def test_of_two_towers_it_is_that_of_the_picture(length: int, depth: int, causal: bool, samples: int) -> None:
    net, x = seeded(lambda: Towers(length, depth, is_causal=causal)), pictures(samples)
    probe, apart = AttentionProbe(), BlockAttentionProbe()
    explanations = xaikit.explain(net, x, {"probe": probe, "apart": apart, "rollout": "rollout"}, target=1)
    assert [name for name, _, _ in probe.records] == ["vision.blocks.0", "vision.blocks.1"]
    assert explanations["rollout"].maps["attention"].shape == (samples, *GRID)
    assert probe.records[-1][2].any()
    assert apart.records[-1][2].any()


def test_gradients_that_were_not_declared_are_refused() -> None:
    class Forgetful(AttentionProbe):
        needs = Needs(attention=1, layers="all")

    with pytest.raises(xaikit.UndeclaredNeed, match=r"attention\.gradients was read but not declared"):
        xaikit.explain(transformer(), pictures(), {"it": Forgetful()}, target=0)
