"""Attention as it runs: the probabilities of every call, and what the score makes of them.

Taken from ``scaled_dot_product_attention`` and ``multi_head_attention_forward`` while the model calls them, and from a softmax
(N, H, Q, K) over the keys that is multiplied with values, where a model writes its attention out; no module is
patched and nothing of the forward changes, to the bit. The probabilities P are computed beside it, where the model does
not compute them itself. The mixed values O = P V are a point like that of a tap, and with the gradient there, the gradient
at the probabilities is (ds/dO) V^T; what a model makes of returned weights beside that is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from xaikit._numeric import exact
from xaikit.axes.local_attention import repeated, unguarded
from xaikit.errors import UndeclaredNeed
from xaikit.evidence.hooks import Cut, hooked, named
from xaikit.passes.attention import probabilities_of

_SOFTMAX = {functional.softmax, torch.softmax, Tensor.softmax}
_PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__}


@dataclass(frozen=True)
class AttentionCall:
    """One call of attention in a pass.

    name           of the innermost module that made it
    probabilities  (N, H, Q, K), detached
    values         (N, H, K, D), detached
    mixed          P V, (N, H, Q, D): where the gradient is taken
    gradient       of the scores there, (T, N, H, Q, D); None where none was taken, or the scores do not depend on it
    """

    name: str
    probabilities: Tensor
    values: Tensor
    mixed: Tensor
    gradient: Tensor | None = None


@dataclass(frozen=True)
class Attention:
    """The attention of one block as a method sees it; N samples, T targets, H heads, Q queries, K keys.

    name           of the module
    probabilities  (N, 1, H, Q, K); every row sums to one, or to zero where all keys are masked
    """

    name: str
    probabilities: Tensor
    values: Tensor
    at_mixed: Tensor | None = None

    @property
    def gradients(self) -> Tensor:
        """Of the scores at the probabilities, (N, T, H, Q, K)."""
        if self.at_mixed is None:
            raise UndeclaredNeed(
                f'attention.gradients was read but not declared: needs = Needs(gradients=1, attention=1, layers="all") '
                f"({self.name})"
            )
        return exact(self.at_mixed) @ exact(self.values).mT.unsqueeze(1)

    def narrowed(self, columns: Any) -> Attention:
        """The same for some of the targets."""
        return self if self.at_mixed is None else replace(self, at_mixed=self.at_mixed[:, columns])


def attention_of(call: AttentionCall) -> Attention:
    """A call as a method sees it."""
    at_mixed = None if call.gradient is None else call.gradient.transpose(0, 1)
    return Attention(call.name, call.probabilities.unsqueeze(1), call.values, at_mixed)


class AttentionRecorder:
    """Records the calls of one pass.

    Args:
        differentiate: make the mixed values points of the pass, which gradients are taken at.
    """

    def __init__(self, cut: Cut, differentiate: bool) -> None:
        self.calls: list[AttentionCall] = []
        self._cut = cut
        self._differentiate = differentiate
        self._inside: list[str] = []

    @contextmanager
    def listening(self, model: nn.Module) -> Iterator[None]:
        """Record the calls for the length of one forward."""
        with hooked(named(model), self._leave, self._enter), _Listening(self):
            yield

    def _enter(self, name: str, module: nn.Module, args: Any) -> None:
        self._inside.append(name)

    def _leave(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        # modules that raised are still on the list: those above it go with it
        while self._inside and self._inside.pop() != name:
            pass

    def attend(self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Attention as the model asks for it, recorded."""
        mixed: Tensor = functional.scaled_dot_product_attention(query, key, value, *args, **kwargs)
        with torch.no_grad():
            heads = query.shape[-3] if query.dim() > 3 else 1
            key, value = repeated(key, heads), repeated(value, heads)
            probabilities = probabilities_of(query, key, *args, **kwargs)
        return self.record(probabilities, value, mixed)

    def record(self, probabilities: Tensor, value: Tensor, mixed: Tensor) -> Tensor:
        """Record one call, and give what is to be handed on of its mixed values."""
        name = self._inside[-1] if self._inside else "attention"
        if self._differentiate:
            self._cut.leave_inference_mode()
            mixed = self._cut.point(mixed.clone() if mixed.is_inference() else mixed, name)
        self.calls.append(AttentionCall(name, probabilities.detach(), value.detach(), mixed))
        # as at a tap: what comes may change it in place
        return mixed.clone()


class _Listening(TorchFunctionMode):
    """Hands the calls of attention to the record, and everything else on as it is."""

    def __init__(self, recorder: AttentionRecorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._weights: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return self._recorder.attend(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            heads = kwargs["num_heads"] if "num_heads" in kwargs else args[4]
            with _Within(self._recorder, heads):
                return unguarded(func)(*args, **kwargs)
        return self._written_out(func, args, kwargs, func(*args, **kwargs))

    def _written_out(self, func: Any, args: Any, kwargs: Any, result: Any) -> Any:
        """What a step of attention by hand hands on: a softmax over the keys, dropout, the product with the values."""
        if func in _SOFTMAX and result.dim() == 4 and (args[1] if len(args) > 1 else kwargs.get("dim")) in (-1, 3):
            self._weights = result
        elif self._weights is not None and args and args[0] is self._weights:
            if func is functional.dropout:
                self._weights = result
            elif func in _PRODUCTS and args[1].dim() == 4:
                return self._recorder.record(args[0], args[1], result)
        return result


class _Within(_Listening):
    """What ``multi_head_attention_forward`` does inside: where weights are asked for it computes them itself."""

    def __init__(self, recorder: AttentionRecorder, heads: int) -> None:
        super().__init__(recorder)
        self._heads = heads

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(func, types, args, kwargs)
        if func is functional.softmax:
            self._weights = result
        if func is torch.bmm and args[0] is self._weights:
            by_head = [tensor.unflatten(0, (-1, self._heads)) for tensor in (*args, result)]
            return self._recorder.record(*by_head).flatten(0, 1)
        return result


def global_calls(
    calls: Sequence[AttentionCall], samples: int, is_grid: Callable[[AttentionCall], bool]
) -> list[AttentionCall]:
    """Those calls in which all tokens of a picture attend to each other, in order.

    Windows have a batch of their own, and most texts are no grid. Of several towers it is one whose tokens look ahead, then
    the one of most blocks, then of most tokens: texts are causal as a rule, and shorter than a picture.

    Args:
        is_grid: whether its tokens are a grid of the input.
    """
    families: dict[str, list[AttentionCall]] = {}
    for call in calls:
        families.setdefault(_family(call.name), []).append(call)

    def is_global(call: AttentionCall) -> bool:
        shape = call.probabilities.shape
        return len(shape) == 4 and shape[0] == samples and shape[2] == shape[3]

    # a hierarchy whose last stage alone is global is none: what happened before it would be left out
    whole = [
        family
        for family in families.values()
        if all(map(is_global, family))
        and len({call.probabilities.shape[3] for call in family}) == 1
        and is_grid(family[0])
    ]
    if len(whole) == 1:  # not ranked, for which a device would be waited for
        return whole[0]
    return max(whole, key=lambda family: _rank(family[0].probabilities, len(family)), default=[])


def _rank(probabilities: Tensor, blocks: int) -> tuple[bool, int, int]:
    looks_ahead = bool(probabilities[..., 0, 1:].any())
    return looks_ahead, blocks, probabilities.shape[-1]


def _family(name: str) -> str:
    """A name without its numbers: ``blocks.3.attn`` and ``blocks.4.attn`` are one family.

    >>> _family("blocks.3.attn"), _family("encoder_layer_11.self_attention")
    ('blocks.#.attn', 'encoder_layer_#.self_attention')
    """
    return re.sub(r"\d+", "#", name)
