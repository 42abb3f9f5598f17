"""Attention with the gradients of the score that each block's own tokens get (LeGrad, arXiv:2404.03214).

Two passes. In the first the tokens behind every block are kept and handed on cut off, so that they depend on that block's
attention alone. In the second the last block returns the tokens of all blocks, stacked along the batch: what lies behind
it scores them all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.errors import ConfigError, Disconnected
from xaikit.evidence import attention, conditions, forward
from xaikit.evidence.attention import Attention, AttentionCall, AttentionRecorder, attention_of
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call
from xaikit.evidence.hooks import Cut
from xaikit.evidence.nests import copied, first_tensor, replaced, rows, tensors_in, varied
from xaikit.evidence.observe import Tally
from xaikit.evidence.taps import module_at
from xaikit.evidence.trace import Trace
from xaikit.targets import Pinned, rows_of


def block_attention(
    model: nn.Module, trace: Trace, pinned: Pinned, output: str | int, tally: Tally
) -> tuple[Attention, ...]:
    """The attention of a trace, with the gradients of each block's own score.

    Raises:
        ConfigError: the blocks return no tokens, or what lies behind the last one cannot be run on those of others.
    """
    names = [one.name for one in trace.attention]
    blocks = [_around(model, names[0])] if len(names) == 1 else blocks_of(names)
    narrow = rows_of(pinned)
    if narrow is None:
        raise ConfigError(f"target {pinned}: expected one that can be scored by rows: its class has no rows(index)")
    samples = len(first_tensor(trace.inputs))
    index = torch.arange(samples, device=first_tensor(trace.inputs).device).repeat(len(blocks))

    def work() -> tuple[Attention, ...]:
        tally.forwards += 2
        tally.reruns += 2
        apart = _Apart(blocks, samples)
        calls = _by_name(apart.run(model, trace.inputs), names)
        stacked = torch.cat([apart.tokens[block] for block in blocks])
        # of nothing: what goes around the last block would change the score of its own tokens
        nothing = varied(trace.inputs, torch.zeros_like(first_tensor(trace.inputs)))
        found = forward.select(_scored(model, nothing, index, blocks[-1], stacked, tally), output)
        with torch.enable_grad():
            scores = narrow(index).scores(found)
        if not scores.requires_grad:
            raise Disconnected(f"the score ({pinned}) does not depend on the tokens of {blocks[-1]}")
        _same(scores[-samples:].detach(), trace.scores, blocks[-1])
        tally.gradient_calls += scores.shape[1]
        columns = [_gradients(scores[:, column], calls) for column in range(scores.shape[1])]
        stack = [torch.stack(by_target) for by_target in zip(*columns, strict=True)]
        return tuple(attention_of(one, gradient) for one, gradient in zip(calls, stack, strict=True))

    with undisturbed(model):
        found: tuple[Attention, ...] = conditions.on_detached_weights(model, work)
        return found


def blocks_of(names: Sequence[str]) -> list[str]:
    """The blocks that attention of these names lies in: the shortest names around them that tell them apart.

    >>> blocks_of(["encoder.layer_0.attention", "encoder.layer_1.attention"])
    ['encoder.layer_0', 'encoder.layer_1']
    """
    for length in range(1, max(name.count(".") for name in names) + 2):
        blocks = [".".join(name.split(".")[:length]) for name in names]
        if len(set(blocks)) == len(names):
            return blocks
    raise ConfigError(f"attention: expected every block to have one of its own, got {', '.join(dict.fromkeys(names))}")


def _around(model: nn.Module, name: str) -> str:
    """The module around one that attends, which is the block of the only one; itself where that is a list of blocks."""
    outer = name.rpartition(".")[0]
    return outer if outer and not isinstance(module_at(model, outer), (nn.ModuleList, nn.ModuleDict)) else name


class _Apart:
    """The first pass: tokens behind every block, that depend on nothing but its own attention."""

    def __init__(self, blocks: Sequence[str], rows: int) -> None:
        self._rows = rows
        self.tokens: dict[str, Tensor] = {}
        self._blocks = blocks

    def run(self, model: nn.Module, inputs: Any) -> list[AttentionCall]:
        """All calls of attention; their mixed values are leaves."""
        course = Cut(differentiate=True)
        calls = AttentionRecorder(course, differentiate=True)
        with _differentiating(course), ExitStack() as stack:
            stack.enter_context(attention.listening(model, calls))
            for block in self._blocks:
                handle = module_at(model, block).register_forward_hook(self._hook(block))
                stack.callback(handle.remove)
            call(model, copied(inputs))
        if lost := [block for block in self._blocks if block not in self.tokens]:
            raise ConfigError(f"layer {lost[0]}: expected a block that is called, got one that never ran; take gae")
        return calls.made

    def _hook(self, block: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            path, tokens = _tokens(block, output, self._rows)
            self.tokens[block] = tokens
            # what follows depends on these tokens no more; weights are detached: a graph begins with the next attention
            return replaced(output, path, tokens.detach())

        return hook


def _tokens(block: str, output: Any, samples: int | None) -> tuple[Any, Tensor]:
    """The tokens of a block and where they are; of so many samples, if that is told."""
    shapes = []
    for path, tensor in tensors_in(output):
        shapes.append(tuple(tensor.shape))
        if tensor.dim() == 3 and samples in (None, len(tensor)):
            return path, tensor
    raise ConfigError(
        f"layer {block}: expected tokens (N, tokens, C) behind a block of attention, got {shapes or 'none'}; take gae"
    )


def _scored(model: nn.Module, inputs: Any, index: Tensor, block: str, tokens: Tensor, tally: Tally) -> Any:
    """What the model returns where a block returns these tokens, whose samples ``index`` tells.

    A block behind which something has a row a sample, as the text that belongs to a picture, gets so many inputs as well.
    """
    try:
        with _returning(model, block, tokens):
            return call(model, copied(inputs))
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        tally.forwards += 1
        tally.reruns += 1
        with _returning(model, block, tokens):
            return call(model, rows(inputs, index))


@contextmanager
def _returning(model: nn.Module, block: str, tokens: Tensor) -> Iterator[None]:
    """While the block lasts, a module returns these tokens, and grad is on from there."""
    course = Cut(differentiate=True)

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        path, _ = _tokens(block, output, None)
        course.leave_inference_mode()
        torch.set_grad_enabled(True)
        return replaced(output, path, tokens)

    handle = module_at(model, block).register_forward_hook(hook)
    try:
        with _differentiating(course):
            yield
    finally:
        handle.remove()


@contextmanager
def _differentiating(course: Cut) -> Iterator[None]:
    """Grad is on, and both modes are afterwards what they were; so a model that switches grad off goes back to "on"."""
    with torch.inference_mode(torch.is_inference_mode_enabled()), torch.enable_grad(), ExitStack() as stack:
        # before the modes around it: a guard dropped goes back to the inference mode it was made in
        stack.callback(course.guards.clear)
        yield


def _by_name(calls: Sequence[AttentionCall], names: Sequence[str]) -> list[AttentionCall]:
    known = {one.name: one for one in calls}
    return [known[name] for name in names]


def _gradients(score: Tensor, calls: Sequence[AttentionCall]) -> list[Tensor]:
    """Of every call's mixed values, zero where the score does not see them."""
    mixed = [one.mixed for one in calls]
    found = torch.autograd.grad(score.sum(), mixed, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(at) if one is None else one for one, at in zip(found, mixed, strict=True)]


def _same(found: Tensor, expected: Tensor, block: str) -> None:
    """The tokens of the last block itself have to get the true score."""
    scale = expected.abs().amax().clamp_min(torch.finfo(expected.dtype).tiny)
    if not bool((found - expected).abs().amax() <= 1e-3 * scale):
        raise ConfigError(
            f"layer {block}: expected the score to depend on what the last block returns alone, got another for its own "
            "tokens: something goes around it, such as a residual that is added outside; take gae, which needs no such pass"
        )
