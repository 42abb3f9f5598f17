"""From what a pass recorded to the trace that methods are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from xaikit.errors import ConfigError, Disconnected, XaikitError
from xaikit.evidence.attention import Attention, AttentionCall, attention_of, global_calls
from xaikit.evidence.biases import Bias
from xaikit.evidence.forward import WithLayers
from xaikit.evidence.hooks import TappedTensor
from xaikit.evidence.pinned import Unpinned
from xaikit.evidence.reading import MapReader
from xaikit.evidence.recorder import Recorded
from xaikit.evidence.taps import BIASES, INPUT, Tap
from xaikit.evidence.trace import Origin, Place, Trace
from xaikit.layouts import MapLayout
from xaikit.passes.nests import Path, first_tensor, led_by, mapped
from xaikit.targets import Pinned


@dataclass(frozen=True)
class PassResult:
    """What a pass left: what was read of it, the scores of every target, and all that was recorded.

    dependent  whether the samples depend on each other
    rest       the first column of all targets that another pass is for
    differentiable  whether the trace keeps the graph of the pass
    """

    output: Any
    pinned: tuple[Pinned, ...]
    scores: tuple[Tensor, ...]
    recorded: Recorded
    dependent: bool = False
    rest: int | None = None
    differentiable: bool = False

    @property
    def ambiguous(self) -> bool:
        """Whether a tap's module returned several tensors and the tap does not say which."""
        return any(len(points) > 1 for points in self.recorded.points.values())

    @property
    def is_broken(self) -> bool:
        """A score reached no tap: worth another pass on detached weights."""
        hooked = [
            points for tap, points in self.recorded.points.items() if tap.is_hooked and tap not in self.recorded.refused
        ]
        return self.recorded.differentiated and any(_connected(points) is None for points in hooked)

    def trace(
        self, inputs: Any, taps: Sequence[Tap], reader: MapReader, gradients: bool, paths: Mapping[Tap, Path]
    ) -> Trace:
        """The trace of this pass, with gradients if they were asked for.

        Args:
            paths: to the inputs of taps that are maps of another one than the first.
        """
        readers = {tap: MapReader(reader.model, led_by(inputs, path)) for tap, path in paths.items()}
        points = {tap: self._point(tap) for tap in taps if tap.is_hooked}
        layouts = {
            tap: readers.get(tap, reader).at(tap, point.path, point.tensor.shape, point.turn)
            for tap, point in points.items()
        }
        attention, grid = self._attention(taps, reader)
        first = first_tensor(inputs)
        for tap in taps:
            if tap in (INPUT, BIASES):
                leaf = _connected(self.recorded.points.get(tap, ()))
                points[tap] = TappedTensor((), 1, first, None if leaf is None else leaf.gradient)
                layouts[tap] = reader.input_layout
        activations = {tap: layouts[tap].to_map(self._evidence(point.tensor)) for tap, point in points.items()}
        places = {tap: Place(point.path, point.turn, layouts[tap]) for tap, point in points.items()}
        if grid is not None:
            attends, tokens = [tap for tap in taps if tap.attends], attention[0].probabilities.shape[-1]
            activations |= dict.fromkeys(attends, first.new_ones(1).expand(len(first), 1, *grid.space((0, tokens, 0))))
            places |= dict.fromkeys(attends, Place((), 1, grid))
        scores = self.scores or (Unpinned().scores(first),)
        return Trace(
            inputs=inputs,
            space=reader.space,
            input_layout=reader.input_layout,
            output=mapped(Tensor.detach, self.output.output if isinstance(self.output, WithLayers) else self.output),
            pinned=self.pinned or (Unpinned(),),
            columns=_columns(scores),
            scores=self._evidence(torch.cat(scores, 1)),
            activations=activations,
            gradients=_gradients(points, layouts) if gradients else {},
            places=places,
            attention=attention,
            biases=self._biases(reader),
            refused={tap: error for tap in taps if (error := self._refusal(tap, grid))},
            origins={tap: Origin(path, readers[tap].input_layout, readers[tap].space) for tap, path in paths.items()},
            dependent=self.dependent,
            rest=self.rest,
        )

    def _evidence(self, tensor: Tensor) -> Tensor:
        return tensor if self.differentiable else tensor.detach()

    def _point(self, tap: Tap) -> TappedTensor:
        """The first tensor of a tap that all scores depend on; just the first where no gradients were taken."""
        points = self.recorded.points[tap]
        taken = self.recorded.differentiated and tap not in self.recorded.refused
        point = _connected(points) if taken else points[0]
        if point is None:
            raise Disconnected(
                f"{self._independent} layer {tap}: it lies beside the way to the "
                "output, behind it, or in a block that is checkpointed reentrantly (use_reentrant=False is served)"
            )
        return point

    @property
    def _independent(self) -> str:
        return f"the score ({', '.join(map(str, self.pinned))}) does not depend on"

    def _refusal(self, tap: Tap, grid: MapLayout | None) -> XaikitError | None:
        """Why this model does not have the evidence of a tap, if it does not."""
        recorded = self.recorded
        if tap in recorded.refused:
            return recorded.refused[tap]
        if tap.attends and grid is None:
            return ConfigError(
                f"attention: expected blocks in which all tokens of a picture attend to each other, {_got(recorded.calls)}"
            )
        if tap.at == "attended" and recorded.attended and all(call.gradient is None for call in recorded.calls):
            return Disconnected(f"{self._independent} the attention of a picture's tokens")
        if tap == BIASES and recorded.differentiated and BIASES not in recorded.points:
            return ConfigError("inputs: expected floating-point numbers, at which there is a gradient, got others")
        if tap == BIASES and BIASES in recorded.points and _connected(recorded.points[BIASES]) is None:
            return Disconnected(f"{self._independent} the input by anything that can be differentiated")
        return None

    def _attention(self, taps: Sequence[Tap], reader: MapReader) -> tuple[tuple[Attention, ...], MapLayout | None]:
        """The attention of all blocks, and the layout of its tokens."""
        attending = [tap for tap in taps if tap.attends]
        if not attending:
            return (), None
        stated = attending[0].layout

        def layout(call: AttentionCall) -> MapLayout | None:
            count = call.probabilities.shape[-1]
            return (
                reader.tokens(call.name, count)
                if stated is None
                else stated.layout((reader.rows, count, 2), reader.space)
            )

        calls = global_calls(self.recorded.calls, reader.rows, lambda call: layout(call) is not None)
        grid = layout(calls[0]) if calls else None
        return tuple(map(attention_of, calls)), grid

    def _biases(self, reader: MapReader) -> tuple[Bias, ...]:
        return tuple(
            Bias(
                layer.name,
                layer.added,
                layer.gradient.transpose(0, 1),
                reader.layout(layer.name, (), layer.output.shape),
            )
            for layer in self.recorded.layers
            if layer.gradient is not None
        )


def _gradients(points: Mapping[Tap, TappedTensor], layouts: Mapping[Tap, MapLayout]) -> dict[Tap, Tensor]:
    gradients = ((tap, point.gradient) for tap, point in points.items())
    return {tap: _as_maps(layouts[tap], gradient) for tap, gradient in gradients if gradient is not None}


def _as_maps(layout: MapLayout, gradient: Tensor) -> Tensor:
    """A gradient (T, *tensor) as maps (N, T, C, *S)."""
    maps = [layout.to_map(column) for column in gradient]
    return maps[0].unsqueeze(1) if len(maps) == 1 else torch.stack(maps, 1)


def _connected(points: Sequence[TappedTensor]) -> TappedTensor | None:
    """The first tensor that all scores depend on."""
    return next((point for point in points if point.gradient is not None), None)


def _got(calls: Sequence[AttentionCall]) -> str:
    shapes = dict.fromkeys(f"{tuple(call.probabilities.shape)} in {call.name}" for call in calls)
    if not shapes:
        return (
            "got none: this model calls neither scaled_dot_product_attention nor nn.MultiheadAttention, and multiplies no "
            "softmax (N, heads, queries, keys) with values; a method of maps, such as gradcam, explains it"
        )
    return (
        f"got attention of shape (N, heads, queries, keys) {', '.join(list(shapes)[:3])}: windows, stages of several "
        "sizes, or tokens of no grid; a method of maps, such as gradcam, explains it"
    )


def _columns(scores: Sequence[Tensor]) -> tuple[slice, ...]:
    """The place of every target's scores (N, T) on the T axis."""
    stops = list(accumulate(part.shape[1] for part in scores))
    return tuple(slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False))
