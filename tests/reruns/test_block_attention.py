"""Each block's own score against blocks run one by one with attention written out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.transformers import (
    HEADS,
    TOKENS,
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
    transformer,
)
from helpers.untouched import counted, untouched
from xaikit import ConfigError

EXACT = 1e-11


def block_gradients(net: Any, explicit: Explicit, x: Tensor, index: int) -> list[Tensor]:
    """ds_l/dP_l: every block for itself, on the tokens that the one before returned, cut off."""
    gradients, tokens = [], net.tokens(x)
    for block in net.blocks:
        tokens = block(tokens.detach())
        score = net.read(tokens)[:, index].sum()
        gradients.append(torch.autograd.grad(score, explicit.probabilities[-1])[0])
    return gradients


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("pool", ["token", "avg"])
@pytest.mark.parametrize("shared", [1, 2])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gradients_are_those_of_each_block_alone(depth: int, shared: int, pool: str, samples: int) -> None:
    explicit, x, probe = Explicit(), pictures(samples), BlockAttentionProbe()
    plain, net = (transformer(attend, shared, pool, depth) for attend in (explicit, fused))
    with untouched(net, x):
        xaikit.explain(net, x, {"probe": probe}, target={"use": "classes", "of": [0, 2]})
    assert len(probe.records) == depth
    for column, index in enumerate([0, 2]):
        for (_, _, gradients), expected in zip(probe.records, block_gradients(plain, explicit, x, index), strict=True):
            assert gradients.shape == (samples, 2, HEADS, TOKENS, TOKENS)
            assert expected.any()
            assert (gradients[:, column] - expected).abs().max() <= EXACT


def test_it_is_another_gradient_than_that_of_the_score_but_for_the_last_block() -> None:
    net, x, of_score, of_block = transformer(), pictures(), AttentionProbe(), BlockAttentionProbe()
    xaikit.explain(net, x, {"score": of_score, "block": of_block}, target=1)
    far = [(one[2] - other[2]).abs().max() for one, other in zip(of_score.records, of_block.records, strict=True)]
    assert far[2] <= EXACT
    assert min(far[:2]) > 1e-3


def test_it_costs_two_passes_and_a_gradient_call_a_target(monkeypatch: Any) -> None:
    net, x = transformer(), pictures()
    xaikit.explain(net, x, "gae", target=0)  # how tokens are arranged is looked for once
    counts = counted(monkeypatch, net)
    xaikit.explain(net, x, {"block": BlockAttentionProbe()}, target={"use": "classes", "of": [0, 2]})
    assert counts == {"forwards": 3, "gradient calls": 2}


class Switching(Transformer):
    """Grad is off around all blocks."""

    mode: Callable[[], AbstractContextManager[Any]] = torch.no_grad

    def forward(self, x: Tensor) -> Tensor:
        with type(self).mode():
            tokens = self.tokens(x)
            for block in self.blocks:
                tokens = block(tokens)
        return self.read(tokens)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_blocks_that_run_without_grad_are_served(mode: Any) -> None:
    class Switched(Switching):
        pass

    Switched.mode = mode
    net, x = seeded(lambda: Switched(*(Block(fused) for _ in range(3)))), pictures()
    expected, probe = BlockAttentionProbe(), BlockAttentionProbe()
    xaikit.explain(transformer(), x, {"block": expected}, target=1)
    with untouched(net, x):
        xaikit.explain(net, x, {"block": probe}, target=1)
    for one, other in zip(probe.records, expected.records, strict=True):
        assert (one[2] - other[2]).abs().max() <= EXACT


class Paired(Transformer):
    """What lies behind the last block has a row a sample of its own, from a second input."""

    def read(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.scale * super().read(tokens)
        return logits

    def forward(self, x: Tensor, other: Tensor) -> Tensor:  # type: ignore[override]
        self.scale = other.view(-1, 1)
        try:
            return super().forward(x)
        finally:
            del self.scale


def test_what_belongs_to_a_sample_behind_the_last_block_is_repeated(monkeypatch: Any) -> None:
    net, x = seeded(lambda: Paired(*(Block(fused) for _ in range(3)))), pictures()
    counts = counted(monkeypatch, net)
    expected, probe = BlockAttentionProbe(), BlockAttentionProbe()
    other = x.mean((1, 2, 3))
    xaikit.explain(net, (x, other), {"block": probe}, target=1)
    # one of them shows how tokens are arranged, and one which inputs have a row a sample: once for a model
    assert counts["forwards"] == 6
    xaikit.explain(transformer(), x, {"block": expected}, target=1)
    scale = other.view(-1, 1, 1, 1, 1)
    for one, other in zip(probe.records, expected.records, strict=True):
        assert (one[2] - scale * other[2]).abs().max() <= EXACT


class Indifferent(Transformer):
    """Returns something else where it is given more rows than it had inputs."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        for block in self.blocks:
            tokens = block(tokens)
        return self.read(tokens) + (len(tokens) != len(x))


def test_another_score_of_the_last_blocks_own_tokens_is_refused() -> None:
    net = seeded(lambda: Indifferent(Block(fused), Block(fused)))
    with pytest.raises(ConfigError, match=r"layer blocks\.1: .* got another for its own tokens: .* take gae"):
        xaikit.explain(net, pictures(), "legrad", target=1)


class Around(Transformer):
    """Adds the residual outside of what looks like a block: it goes around it."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x)
        for block in self.blocks:
            tokens = tokens + block(tokens)
        return self.read(tokens)


def test_what_goes_around_a_block_is_noticed_though_its_own_score_is_right() -> None:
    net = seeded(lambda: Around(Block(fused), Block(fused)))
    with pytest.raises(ConfigError, match=r"something goes around it, such as a residual"):
        xaikit.explain(net, pictures(), "legrad", target=1)


def test_one_block_that_runs_twice_is_refused() -> None:
    def build() -> nn.Module:
        block = Block(fused)
        return Transformer(block, block)

    with pytest.raises(ConfigError, match=r"expected every block to have one of its own, got blocks\.0"):
        xaikit.explain(seeded(build), pictures(), "legrad", target=1)


@pytest.mark.parametrize("options", [{}, {"weights": True}, {"first": False}], ids=str)
def test_multihead_attention_is_served(options: dict[str, bool]) -> None:
    """The last block's own score is the score."""
    net, x, of_block = multihead(**options), pictures(), BlockAttentionProbe()
    xaikit.explain(net, x, {"block": of_block}, target=1)
    tokens = net.tokens(x)
    for block in net.blocks[:-1]:
        tokens = block(tokens)
    (_, probabilities, gradients) = of_block.records[-1]
    assert isinstance(net.blocks[-1], Multihead)
    attention = net.blocks[-1].attention
    value = (tokens @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, -1)[2]
    value = value.unflatten(2, (HEADS, -1)).transpose(1, 2).detach()
    at = probabilities[:, 0].clone().requires_grad_()
    behind = tokens.detach() + attention.out_proj((at @ value).transpose(1, 2).flatten(2))
    if options.get("weights"):
        behind = behind + 1 / TOKENS
    (expected,) = torch.autograd.grad(net.read(behind)[:, 1].sum(), at)
    assert (gradients[:, 0] - expected).abs().max() <= EXACT
