"""Attention with the gradients of the score that each block's own tokens get (LeGrad, arXiv:2404.03214).

Two passes. In the first the tokens behind every block are kept and handed on cut off, so that they depend on that block's
attention alone. In the second the last block returns the tokens of all blocks, stacked along the batch: what lies behind
it scores them all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from xaikit._numeric import differentiate
from xaikit.errors import ConfigError, Disconnected
from xaikit.evidence.attention import Attention, AttentionCall, AttentionRecorder, attention_of
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call, select
from xaikit.evidence.hooks import Cut, hooked
from xaikit.passes.modules import module_at
from xaikit.passes.nests import Path, copied, first_tensor, replaced, tensors_in, varied
from xaikit.passes.weights import on_detached_weights
from xaikit.reruns.context import PassContext
from xaikit.reruns.rescore import inputs_of


def block_attention(context: PassContext) -> tuple[Attention, ...]:
    """The attention of a trace, with the gradients of each block's own score.

    Raises:
        ConfigError: the blocks return no tokens, or what lies behind the last one cannot be run on those of others.
    """
    context.check_apart("block_attention")
    names = [one.name for one in context.trace.attention]
    blocks = [_around(context.model, names[0])] if len(names) == 1 else blocks_of(names)
    index = torch.arange(context.samples, device=first_tensor(context.inputs).device).repeat(len(blocks))
    pinned = context.pinned_of(index)
    if pinned is None:
        raise ConfigError(
            f"target {context.pinned}: expected one that can be scored by rows: its class has no rows(index)"
        )

    def work() -> tuple[Attention, ...]:
        calls, tokens = _apart(context, blocks)
        by_name = {call.name: call for call in calls}
        calls = [by_name[name] for name in names]
        output = _scored(context, index, blocks[-1], torch.cat([tokens[block] for block in blocks]))
        with torch.enable_grad():
            scores = pinned.scores(output)
        if not scores.requires_grad:
            raise Disconnected(f"the score ({context.pinned}) does not depend on the tokens of {blocks[-1]}")
        _check_scores(scores[-context.samples :].detach(), context.trace.scores, blocks[-1])
        context.tally.gradient_calls += scores.shape[1]
        mixed = [call.mixed for call in calls]
        columns = [
            differentiate(column.sum(), mixed, retain_graph=True, materialize_grads=True) for column in scores.unbind(1)
        ]
        stacked = [torch.stack(by_target) for by_target in zip(*columns, strict=True)]
        return tuple(attention_of(replace(one, gradient=at)) for one, at in zip(calls, stacked, strict=True))

    with undisturbed(context.model, context.readout.mode):
        return on_detached_weights(context.model, work)


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


def _apart(context: PassContext, blocks: Sequence[str]) -> tuple[list[AttentionCall], dict[str, Tensor]]:
    """The first pass: all calls of attention, whose mixed values are leaves, and the tokens behind every block, which
    depend on nothing but its own attention."""
    cut = Cut(differentiate=True)
    recorder, tokens = AttentionRecorder(cut, differentiate=True), dict[str, Tensor]()

    def leave(block: str, module: nn.Module, args: Any, output: Any) -> Any:
        path, tokens[block] = _tokens(block, output, context.samples)
        # what follows depends on these tokens no more; weights are detached: a graph begins with the next attention
        return replaced(output, path, tokens[block].detach())

    modules = [(block, module_at(context.model, block)) for block in blocks]
    with cut.modes(grad=True), recorder.listening(context.model), hooked(modules, leave):
        context.count()
        call(context.model, copied(context.inputs), context.readout.layers)
    if lost := [block for block in blocks if block not in tokens]:
        raise ConfigError(f"layer {lost[0]}: expected a block that is called, got one that never ran; take gae")
    return recorder.calls, tokens


def _tokens(block: str, output: Any, samples: int | None) -> tuple[Path, Tensor]:
    """The tokens of a block and where they are; of so many samples, if that is given."""
    shapes = []
    for path, tensor in tensors_in(output):
        shapes.append(tuple(tensor.shape))
        if tensor.dim() == 3 and samples in (None, len(tensor)):
            return path, tensor
    raise ConfigError(
        f"layer {block}: expected tokens (N, tokens, C) behind a block of attention, got {shapes or 'none'}; take gae"
    )


def _scored(context: PassContext, index: Tensor, block: str, tokens: Tensor) -> Any:
    """The second pass: what is read of the model where a block returns these tokens, whose samples ``index`` tells.

    A block behind which something has a row a sample, as the text that belongs to a picture, gets so many inputs as well.
    """
    # of nothing: what goes around the last block would change the score of its own tokens
    nothing = varied(context.inputs, torch.zeros_like(first_tensor(context.inputs)))
    try:
        output = _returning(context, block, tokens, copied(nothing))
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        repeated = inputs_of(context, index)
        repeated = varied(repeated, torch.zeros_like(first_tensor(repeated)))
        output = _returning(context, block, tokens, repeated)
    return select(output, context.readout)


def _returning(context: PassContext, block: str, tokens: Tensor, inputs: Any) -> Any:
    """What the model returns where a block returns these tokens; grad is on from there."""
    cut = Cut(differentiate=True)

    def leave(block: str, module: nn.Module, args: Any, output: Any) -> Any:
        path, _ = _tokens(block, output, None)
        cut.leave_inference_mode()
        torch.set_grad_enabled(True)
        return replaced(output, path, tokens)

    context.count()
    with hooked([(block, module_at(context.model, block))], leave), cut.modes(grad=True):
        return call(context.model, inputs, context.readout.layers)


def _check_scores(scores: Tensor, expected: Tensor, block: str) -> None:
    """The tokens of the last block itself have to get the true score."""
    scale = expected.abs().amax().clamp_min(torch.finfo(expected.dtype).tiny)
    if not bool((scores - expected).abs().amax() <= 1e-3 * scale):
        raise ConfigError(
            f"layer {block}: expected the score to depend on what the last block returns alone, got another for its own "
            "tokens: something goes around it, such as a residual that is added outside; take gae, which needs no such pass"
        )
