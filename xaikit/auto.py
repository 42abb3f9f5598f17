"""``layers: auto``: the last tensor with a grid on the way to the score, found by looking at what flows.

The rule: walk the module calls of one forward backwards, in the order in which they completed, and take the first
whose output tensors *together* cut the score from the input in the autograd graph, with gradient at half of their
places and a tenth of their channels at least. Walking backwards, the outermost of several modules that returned the
same tensor comes first and gives its name. Names of layers, and the last convolution, say nothing: a class-token
transformer's last block has no gradient at its patches, a DenseNet pools what a functional ReLU made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaikit import capture, outputs
from xaikit.errors import LayerNotFound
from xaikit.layers import Tap, tensors_in
from xaikit.layouts import Layout, infer, keeps_aspect
from xaikit.targets import Target

PLACES, CHANNELS = 0.5, 0.1
_Edge = tuple[Any, int]


@dataclass(frozen=True)
class Candidate:
    """One module call of the probe: what auto considered, and what it thought of it.

    tensors  the maps it returned, by their place in the output
    verdict  "chosen", or why not
    """

    name: str
    taps: tuple[Tap, ...]
    shapes: tuple[tuple[int, ...], ...]
    verdict: str


@dataclass(frozen=True)
class _Call:
    """A module call as the hook saw it; ``versions`` tell whether its tensors were changed in place afterwards."""

    name: str
    outputs: tuple[tuple[tuple[str | int, ...], Tensor], ...]
    versions: tuple[int, ...]
    passed_through: bool


def of(
    model: nn.Module, inputs: Any, target: Target, labels: Tensor | None, output: str | int = outputs.AUTO
) -> tuple[Tap, ...]:
    """:func:`find` for the first sample of a batch and its target."""
    one = first_sample(inputs)
    label = first_sample(labels)
    return find(model, one, lambda selected: target.pin(selected, capture.copied(label)).scores(selected), output)


def first_sample(inputs: Any) -> Any:
    """The inputs cut to one sample."""
    return capture.mapped(lambda tensor: tensor[:1], inputs)


def find(
    model: nn.Module, inputs: Any, score: Callable[[Any], Tensor], output: str | int = outputs.AUTO
) -> tuple[Tap, ...]:
    """The taps that ``auto`` means, one as a rule, several where only several streams together cut the score from the
    input.

    Args:
        inputs: one sample.
        score: the selected output to the scalar (or scalars, summed) to explain.

    Raises:
        LayerNotFound: nothing qualifies, or the input cannot be differentiated; the last maps with gradient are named.
    """
    considered = []
    for candidate in consider(model, inputs, score, output):
        if candidate.verdict == "chosen":
            return candidate.taps
        considered.append(candidate)
    last = [
        f"{tap} {shape}"
        for candidate in considered
        for tap, shape in zip(candidate.taps, candidate.shapes, strict=True)
    ][:5]
    raise LayerNotFound(
        "layers: auto found no map that the score depends on as a whole; "
        f"name a layer, such as one of: {', '.join(last) or 'none'}"
    )


def consider(
    model: nn.Module, inputs: Any, score: Callable[[Any], Tensor], output: str | int = outputs.AUTO
) -> list[Candidate]:
    """Every module call that returned a map, the last first, up to the one that is chosen."""

    def walk() -> list[Candidate]:
        return list(_walk(model, inputs, score, output))

    with capture.undisturbed(model), torch.enable_grad():
        return capture.on_detached_weights(model, walk) if capture.has_inference_weights(model) else walk()


def _walk(model: nn.Module, inputs: Any, score: Callable[[Any], Tensor], output: str | int) -> Iterator[Candidate]:
    source, given = _differentiable(inputs)
    probe = _record(model, given, score, output)
    hint = getattr(model, "num_prefix_tokens", None)
    often = Counter(call.name for call in probe.completed)
    for call in reversed(probe.completed):
        found = _maps(call, source, hint)
        if found:
            candidate = _judge(call, found, often[call.name], probe.score, source)
            yield candidate
            if candidate.verdict == "chosen":
                return


@dataclass(frozen=True)
class _Probe:
    completed: list[_Call]
    score: Tensor


def _differentiable(inputs: Any) -> tuple[Tensor, Any]:
    """The (first) input as a leaf, and the inputs with a child of it in its place: that one may be changed in place."""
    first = capture.first_tensor(inputs)
    if not first.is_floating_point():
        raise LayerNotFound(
            f"layers: auto needs floating-point inputs to look at the graph, got {first.dtype}; name a layer"
        )
    source = first.detach().clone().requires_grad_()
    return source, capture.mapped(lambda tensor: (source if tensor is first else tensor.detach()).clone(), inputs)


def _record(model: nn.Module, inputs: Any, score: Callable[[Any], Tensor], output: str | int) -> _Probe:
    completed: list[_Call] = []

    def note(name: str, module: nn.Module, args: Any, result: Any) -> None:
        tensors = tuple((path, tensor) for path, tensor in tensors_in(result) if not tensor.is_inference())
        given = [tensor for _, tensor in tensors_in(args)]
        through = any(tensor is other for _, tensor in tensors for other in given)
        completed.append(_Call(name, tensors, tuple(tensor._version for _, tensor in tensors), through))

    with capture.watched(model, note):
        total = score(outputs.select(capture.call(model, inputs), output)).sum()
    if not total.requires_grad:
        raise LayerNotFound(
            "layers: auto: the score does not depend on the input in a differentiable way; name a layer"
        )
    return _Probe(completed, total)


_Found = list[tuple[tuple[str | int, ...], Tensor, int, Layout]]


def _maps(call: _Call, source: Tensor, hint: int | None) -> _Found:
    """The tensors of a call that are maps with the input's aspect and more than one cell."""
    space = tuple(source.shape[2:])
    found: _Found = []
    for (path, tensor), version in zip(call.outputs, call.versions, strict=True):
        if not tensor.requires_grad or tensor.shape[:1] != source.shape[:1]:
            continue
        layout = infer(tuple(tensor.shape), space, hint) if space else None
        grid = layout.space(tuple(tensor.shape)) if layout else ()
        if layout and max(grid) > 1 and keeps_aspect(grid, space):
            found.append((path, tensor, version, layout))
    return found


def _judge(call: _Call, found: _Found, times: int, total: Tensor, source: Tensor) -> Candidate:
    alive = []
    for path, tensor, version, layout in found:
        (gradient,) = torch.autograd.grad(total, tensor, retain_graph=True, allow_unused=True)
        if gradient is not None:
            alive.append((path, tensor, version, layout, layout.to_map(gradient)))
    taps = tuple(_tap(call, path, tensor, version) for path, tensor, version, _, _ in alive)
    shapes = tuple(tuple(tensor.shape) for _, tensor, _, _, _ in alive)
    gradients = [gradient for *_, gradient in alive]
    return Candidate(
        call.name, taps, shapes, _verdict(call, times, [row[1] for row in alive], gradients, total, source)
    )


def _tap(call: _Call, path: tuple[str | int, ...], tensor: Tensor, version: int) -> Tap:
    return Tap(call.name, path, "output" if tensor._version == version else "consumed")


def _verdict(
    call: _Call,
    times: int,
    tensors: Sequence[Tensor],
    gradients: Sequence[Tensor],
    total: Tensor,
    source: Tensor,
) -> str:
    if not tensors:
        return "no gradient"
    if times > 1:
        return f"called {times} times"
    if call.passed_through:
        return "returns its input unchanged"
    if _reaches_input(total, tensors, source):
        return "the score depends on the input past it"
    if not all(_covered(gradient) for gradient in gradients):
        return "gradient at too few places or channels"
    return "chosen"


def _covered(gradient: Tensor) -> bool:
    """(1, C, *S): gradient at half of the places, and in a tenth of the channels."""
    nonzero = gradient[0].flatten(1) != 0
    return bool(nonzero.any(0).float().mean() >= PLACES) and bool(nonzero.any(1).float().mean() >= CHANNELS)


def _reaches_input(total: Tensor, blocked: Sequence[Tensor], source: Tensor) -> bool:
    """Whether the graph leads from the score to the input on a way that passes none of the tensors."""
    walls = {(tensor.grad_fn, tensor.output_nr) for tensor in blocked}
    start: _Edge = (total.grad_fn, total.output_nr)
    seen: set[_Edge] = set()
    ahead = [start]
    while ahead:
        edge = ahead.pop()
        node = edge[0]
        if node is None or edge in seen or edge in walls:
            continue
        seen.add(edge)
        if getattr(node, "variable", None) is source:
            return True
        ahead.extend(node.next_functions)
    return False
