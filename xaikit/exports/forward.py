"""Logits and maps as one function of the inputs, and that function as a graph of plain operations.

The maps come of the methods themselves: their gradients are taken while the function is traced, so that what is written down
has the operations of the backward in it, and no autograd.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from xaikit._numeric import differentiate
from xaikit.engine import Request
from xaikit.engine.raw_maps import check_saliency, of_numbers
from xaikit.errors import ConfigError
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import Readout, WithLayers, call, select
from xaikit.evidence.pinned import Unpinned, pin
from xaikit.evidence.recorder import Recorded, Recording
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.exports.operators import Rules
from xaikit.exports.plain_reruns import PlainReruns
from xaikit.finish import finish_over
from xaikit.layouts import stride
from xaikit.passes.nests import first_tensor, mapped, tensors_in
from xaikit.reruns.head import shares_of
from xaikit.targets import Pinned
from xaikit.view import Reduction, View

LOGITS = "logits"


@dataclass(frozen=True)
class ExplainedForward:
    """A model's forward with its maps.

    requests  by the name of their maps, each with its finish
    clean     the trace of a pass: where the evidence of every tap lies
    classifiers  the weights (classes, C) of the linear layer behind a tap, by label and tap, for methods that read it
    """

    model: nn.Module
    requests: Mapping[str, Request]
    readout: Readout
    clean: Trace
    classifiers: Mapping[tuple[str, Tap], Tensor]

    def __call__(self, inputs: Any) -> dict[str, Tensor]:
        """The logits (N, ...), and by name the maps (N, *S), or (N, T, *S) of several targets."""
        taps = tuple(dict.fromkeys(tap for request in self.requests.values() for tap in request.taps))
        recording = Recording(taps, differentiate=True)
        with torch.no_grad(), recording.hooked(self.model):
            returned = call(self.model, inputs, self.readout.layers)
        recorded, output = recording.recorded(), select(returned, self.readout)
        maps = {
            name: saliency
            for label, request in self.requests.items()
            for name, saliency in self._maps(label, request, inputs, output, recorded).items()
        }
        return {LOGITS: _logits(output.output if isinstance(output, WithLayers) else output), **maps}

    def _maps(self, label: str, request: Request, inputs: Any, output: Any, recorded: Recorded) -> Mapping[str, Tensor]:
        """The map fused over the layers, or one a layer where nothing fuses them."""
        with torch.enable_grad():
            pinned = pin(request.target, output, None) if request.method.needs.uses_target else Unpinned()
            scores = pinned.scores(output)
        trace = self._trace(request, inputs, output, pinned, scores, recorded)
        raws = {str(tap): self._raw_map(request, tap, trace) for tap in request.taps}
        spaces = {str(tap): trace.at(tap).space for tap in request.taps}
        strides = {layer: stride(tuple(raw.shape[2:]), spaces[layer]) for layer, raw in raws.items()}
        finished, fused = finish_over(request.finish, raws, strides, spaces)
        maps = (
            {f"{label}.{layer}": saliency for layer, saliency in finished.items()} if fused is None else {label: fused}
        )
        return {name: _shaped(saliency, scores.shape[1], pinned.plural).detach() for name, saliency in maps.items()}

    def _trace(
        self, request: Request, inputs: Any, output: Any, pinned: Pinned, scores: Tensor, recorded: Recorded
    ) -> Trace:
        """This pass, as :func:`xaikit.evidence.observe.observe` would give it."""
        points = {tap: self._point(tap, recorded) for tap in request.taps if tap.is_hooked}
        layouts = {tap: place.layout for tap, place in self.clean.places.items()}
        activations = {tap: layouts[tap].to_map(point.detach()) for tap, point in points.items()}
        # one that looks at no layer
        first = {tap: layouts[tap].to_map(first_tensor(inputs)) for tap in request.taps if not tap.is_hooked}
        gradients = _gradients(scores, points) if request.method.needs.gradients else {}
        return Trace(
            inputs=inputs,
            space=self.clean.space,
            output=output,
            pinned=(pinned,),
            columns=(slice(0, scores.shape[1]),),
            scores=scores.detach(),
            activations=activations | first,
            gradients={
                tap: torch.stack([layouts[tap].to_map(column) for column in columns], 1)
                for tap, columns in gradients.items()
            },
            places=self.clean.places,
            input_layout=self.clean.input_layout,
            origins=self.clean.origins,
        )

    def _point(self, tap: Tap, recorded: Recorded) -> Tensor:
        place = self.clean.places[tap]
        (point,) = [one.tensor for one in recorded.points[tap] if one.path == place.path]
        return point

    def _raw_map(self, request: Request, tap: Tap, trace: Trace) -> Tensor:
        trace, weight = trace.at(tap), self.classifiers.get((request.label, tap))
        head = None if weight is None else shares_of(trace.pinned[0], trace.output) @ weight
        plain, reduction = PlainReruns(request.use, head), Reduction(request.aggregation.reduce)
        view = View(trace, tap, request.method.needs, self.model, plain.draw, plain, reduction)
        with torch.no_grad():
            saliency = request.method.explain(view)
        check_saliency(saliency, view.shape, 0)
        return of_numbers(saliency, trace.scores) if request.method.needs.uses_target else saliency


def _logits(output: Any) -> Tensor:
    """What a model says beside its maps."""
    if isinstance(output, Tensor):
        return output.detach()
    raise ConfigError(
        f"export: expected a model whose output is one tensor, got {type(output).__name__}; set model.output"
    )


def _gradients(scores: Tensor, points: Mapping[Tap, Tensor]) -> dict[Tap, list[Tensor]]:
    """Of every column of scores (N, T) at every point."""
    columns = [
        differentiate(scores[:, column].sum(), list(points.values()), retain_graph=True)
        for column in range(scores.shape[1])
    ]
    return {tap: list(gradients) for tap, gradients in zip(points, zip(*columns, strict=True), strict=True)}


def _shaped(saliency: Tensor, targets: int, plural: bool) -> Tensor:
    full = saliency.expand(saliency.shape[0], targets, *saliency.shape[2:])
    return full if plural else full.squeeze(1)


def traced(explained: ExplainedForward, inputs: Any, rules: Rules, open_batch: bool) -> GraphModule:
    """The function as a graph of plain operations, of the tensors in the inputs one after the other.

    Args:
        inputs: of any number of samples, of the shape that the graph is for.
        rules: operations that are to be written by others.
        open_batch: leave the number of samples open.
    """
    batch = DimDynamic.DYNAMIC if open_batch else DimDynamic.STATIC
    fake = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)

    def faked(tensor: Tensor) -> Tensor:
        sizes = [batch, *[DimDynamic.STATIC] * (tensor.dim() - 1)]
        return fake.from_tensor(tensor, symbolic_context=StatelessSymbolicContext(dynamic_sizes=sizes))

    def function(*tensors: Tensor) -> dict[str, Tensor]:
        ahead = iter(tensors)
        return explained(mapped(lambda _: next(ahead), inputs))

    with undisturbed(explained.model, explained.readout.mode), _as_it_was(explained.model), _plain_operations():
        fakes = [faked(tensor) for _, tensor in tensors_in(inputs)]
        with fake, enable_python_dispatcher():
            trace = make_fx(function, rules, tracing_mode="real", _allow_non_fake_inputs=True)
            graph: GraphModule = trace(*fakes)
            return graph


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """What a forward keeps on its modules, such as a cache, is put back: its tensors are fake here."""
    kept = [
        (each, copy(each))
        for module in model.modules()
        for each in (vars(module), *vars(module).values())
        if isinstance(each, (dict, list))
    ]
    try:
        yield
    finally:
        for each, before in kept:
            _restore(each, before)


def _restore(now: Any, before: Any) -> None:
    if isinstance(now, list):
        now[:] = before
        return
    for key in now.keys() - before.keys():
        del now[key]
    now.update(before)


@contextmanager
def _plain_operations() -> Iterator[None]:
    """Attention as products and a softmax, and averages over all places as means, whose backwards every runtime has."""
    with sdpa_kernel(SDPBackend.MATH), _MeansForPooling():
        yield


class _MeansForPooling(TorchFunctionMode):
    """``adaptive_avg_pool`` to one place as the mean that it is: torch's own writes strides of memory into the graph."""

    _POOLING = (nn.functional.adaptive_avg_pool1d, nn.functional.adaptive_avg_pool2d, nn.functional.adaptive_avg_pool3d)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self._POOLING:
            return self._pooled(func, *args, **kwargs)
        return func(*args, **kwargs)

    def _pooled(self, func: Any, input: Tensor, output_size: int | Sequence[int | None]) -> Tensor:
        rank = self._POOLING.index(func) + 1
        sizes = (output_size,) * rank if isinstance(output_size, int) else tuple(output_size)
        return input.mean(tuple(range(-rank, 0)), keepdim=True) if sizes == (1,) * rank else func(input, output_size)
