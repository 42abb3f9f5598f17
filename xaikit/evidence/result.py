"""From what a pass recorded to the trace that methods are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.errors import ConfigError, Disconnected, TapError, XaikitError
from xaikit.evidence.attention import Attention, attention_of, global_calls
from xaikit.evidence.biases import Bias, bias_of
from xaikit.evidence.forward import WithLayers
from xaikit.evidence.hooks import TappedTensor
from xaikit.evidence.nests import first_tensor, mapped
from xaikit.evidence.pinned import Unpinned
from xaikit.evidence.recorder import Recorded
from xaikit.evidence.taps import BIASES, INPUT, Tap
from xaikit.evidence.trace import Place, Trace
from xaikit.layouts import Layout, infer
from xaikit.targets import Pinned


@dataclass(frozen=True)
class MapReader:
    """How tensors of a model are read as maps.

    shape   of the model's (first) input
    prefix  tokens before the grid, as the model says; None where it does not
    """

    shape: tuple[int, ...]
    prefix: int | None = None

    @property
    def rows(self) -> int:
        """Samples."""
        return self.shape[0]

    @property
    def space(self) -> tuple[int, ...]:
        """Of the model's input."""
        return self.shape[2:]

    @classmethod
    def of(cls, model: nn.Module, inputs: Any) -> MapReader:
        """For one model and its inputs."""
        first, prefix = first_tensor(inputs), getattr(model, "num_prefix_tokens", None)
        return cls(tuple(first.shape), prefix if isinstance(prefix, int) else None)

    def layout(self, shape: Sequence[int]) -> Layout | None:
        """Of a tensor, where it is a map."""
        return infer(tuple(shape), self.space, self.prefix) if len(shape) > 1 and shape[0] == self.rows else None

    def at(self, tap: Tap, shape: Sequence[int]) -> Layout:
        """Of the tensor at a tap. Raises TapError where it is no map."""
        stated = tap.layout
        layout = self.layout(shape) if stated is None else stated.layout(tuple(shape), self.space)
        if layout is None:
            expected = "a map (N, C, ...), a channels-last map, or tokens with a grid"
            raise TapError(
                f"layer {tap} returned {tuple(shape)} for inputs {self.shape}: expected "
                f"{expected if stated is None else f'what its layout says, {stated}'}; name another layer, or an index such as "
                f"'{tap.name}[0]', or a layout"
            )
        return layout


@dataclass(frozen=True)
class PassResult:
    """What a pass left, and the gradients (T, *point) at its tensors one after the other."""

    output: Any
    pinned: tuple[Pinned, ...]
    scores: tuple[Tensor, ...]
    recorded: Recorded
    gradients: tuple[Tensor | None, ...]
    severed: bool

    @property
    def ambiguous(self) -> bool:
        """Whether a tap's module returned several tensors and the tap does not say which."""
        return any(len(points) > 1 for points in self.recorded.points.values())

    @property
    def broken(self) -> bool:
        """Grad was switched off on the way, or a score reached no tap: worth another pass on detached weights."""
        if self.severed:
            return True
        found = self._by_tap()
        return any(all(gradient is None for _, gradient in found[tap]) for tap in found)

    def _by_tap(self) -> dict[Tap, list[tuple[TappedTensor, Tensor | None]]]:
        """Every point with its gradient, by tap; empty without gradients."""
        left = iter(self.gradients)
        points = self.recorded.points
        return {tap: [(point, next(left)) for point in points[tap]] for tap in points} if self.gradients else {}

    def _beside(self) -> tuple[list[Tensor | None], list[Tensor | None], Tensor | None]:
        """The gradients at calls of attention, at layers, and at the input."""
        recorded = self.recorded
        start = sum(map(len, recorded.points.values()))
        behind = start + (len(recorded.calls) if recorded.at else 0)
        last = behind + len(recorded.layers)
        at_input = self.gradients[last] if len(self.gradients) > last else None
        return list(self.gradients[start:behind]), list(self.gradients[behind:last]), at_input

    def trace(self, inputs: Any, taps: Sequence[Tap], reading: MapReader, gradients: bool) -> Trace:
        """The trace of this pass, with gradients if they were asked for."""
        found, hooked = self._by_tap(), [tap for tap in taps if tap.is_hooked]
        points = self.recorded.points
        chosen = {tap: _chosen(tap, found[tap], self.pinned) if found else (points[tap][0], None) for tap in hooked}
        layouts = {tap: reading.at(tap, point.tensor.shape) for tap, (point, _) in chosen.items()}
        first, pinned, scores = first_tensor(inputs), self.pinned, self.scores
        if not pinned:
            pinned, scores = (Unpinned(),), (Unpinned().scores(first),)
        stops = _cumulated([part.shape[1] for part in scores])
        whole = {tap: first for tap in taps if tap in (INPUT, BIASES)}
        attention, grid = self._attention(taps, reading)
        if grid is not None:
            whole |= {tap: first.new_ones(1).expand(len(first), 1, *grid.grid) for tap in taps if _attends(tap)}
        return Trace(
            inputs=inputs,
            space=reading.space,
            output=_detached(self.output),
            pinned=pinned,
            columns=tuple(slice(start, stop) for start, stop in stops),
            scores=torch.cat(scores, 1).detach(),
            activations={
                **{tap: layouts[tap].to_map(point.tensor.detach()) for tap, (point, _) in chosen.items()},
                **whole,
            },
            gradients=self._maps(chosen, layouts) if gradients else {},
            places={
                **{tap: Place(point.path, point.turn, layouts[tap]) for tap, (point, _) in chosen.items()},
                **({tap: Place((), 1, grid) for tap in taps if _attends(tap)} if grid is not None else {}),
            },
            attention=attention,
            biases=self._biases(reading) if BIASES in taps else (),
            refused=self._refused(taps, grid),
        )

    def _maps(
        self, chosen: Mapping[Tap, tuple[TappedTensor, Tensor | None]], layouts: Mapping[Tap, Layout]
    ) -> dict[Tap, Tensor]:
        """The gradients of every tap as maps."""
        maps = {tap: _mapped(one, layouts[tap]) for tap, (_, one) in chosen.items() if one is not None}
        at_input = self._beside()[2]
        return maps if at_input is None else {**maps, BIASES: _mapped(at_input, Layout())}

    def _refused(self, taps: Sequence[Tap], grid: Layout | None) -> dict[Tap, XaikitError]:
        """What this model does not have."""
        said = f"the score ({', '.join(map(str, self.pinned))}) does not depend on"
        found: dict[Tap, XaikitError] = {}
        for tap in taps:
            if _attends(tap) and grid is None:
                found[tap] = ConfigError(
                    f"attention: expected blocks in which all tokens of a picture attend to each other, {_got(self)}"
                )
            elif tap.at == "attended" and self.recorded.at and all(one is None for one in self._beside()[0]):
                found[tap] = Disconnected(f"{said} the attention of a picture's tokens")
            elif tap == BIASES and self.gradients and self.recorded.input is None:
                found[tap] = ConfigError(
                    "inputs: expected floating-point numbers, at which there is a gradient, got others"
                )
            elif tap == BIASES and self.recorded.input is not None and self._beside()[2] is None:
                found[tap] = Disconnected(f"{said} the input by anything that can be differentiated")
        return found

    def _attention(self, taps: Sequence[Tap], reading: MapReader) -> tuple[tuple[Attention, ...], Layout | None]:
        """The attention of all blocks, and the layout of its tokens."""
        if not any(map(_attends, taps)):
            return (), None
        calls = self.recorded.calls

        stated = next(tap.layout for tap in taps if _attends(tap))

        def layout(tokens: int) -> Layout | None:
            shape = (reading.rows, tokens, 2)
            return reading.layout(shape) if stated is None else stated.layout(shape, reading.space)

        chosen = global_calls(list(calls), reading.rows, lambda tokens: layout(tokens) is not None)
        if not chosen:
            return (), None
        at_mixed = self._beside()[0] or [None] * len(calls)
        found = tuple(attention_of(calls[place], at_mixed[place]) for place in chosen)
        return found, layout(found[0].probabilities.shape[-1])

    def _biases(self, reading: MapReader) -> tuple[Bias, ...]:
        found = zip(self.recorded.layers, self._beside()[1], strict=True)
        return tuple(
            bias_of(layer, gradient, reading.layout(layer.output.shape))
            for layer, gradient in found
            if gradient is not None
        )


def _detached(output: Any) -> Any:
    return mapped(Tensor.detach, output.output if isinstance(output, WithLayers) else output)


def _attends(tap: Tap) -> bool:
    return tap.at in ("attention", "attended")


def _got(found: PassResult) -> str:
    shapes = dict.fromkeys(f"{tuple(call.probabilities.shape)} in {call.name}" for call in found.recorded.calls)
    if not shapes:
        return (
            "got none: this model calls neither scaled_dot_product_attention nor nn.MultiheadAttention; a method of maps, "
            "such as gradcam, explains it"
        )
    return (
        f"got attention of shape (N, heads, queries, keys) {', '.join(list(shapes)[:3])}: windows, stages of several "
        "sizes, or tokens of no grid; a method of maps, such as gradcam, explains it"
    )


def _chosen(
    tap: Tap, found: Sequence[tuple[TappedTensor, Tensor | None]], pinned: Sequence[Pinned]
) -> tuple[TappedTensor, Tensor]:
    """The first tensor that all scores depend on."""
    for point, gradient in found:
        if gradient is not None:
            return point, gradient
    raise Disconnected(
        f"the score ({', '.join(map(str, pinned))}) does not depend on layer {tap}: it lies beside the way to the "
        "output, behind it, or in a block that is checkpointed reentrantly (use_reentrant=False is served)"
    )


def _mapped(gradient: Tensor, layout: Layout) -> Tensor:
    """(T, *point) as (N, T, C, *S)."""
    if len(gradient) == 1:
        return layout.to_map(gradient[0]).unsqueeze(1)
    return torch.stack([layout.to_map(column) for column in gradient], 1)


def _cumulated(sizes: Sequence[int]) -> list[tuple[int, int]]:
    stops = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return list(zip([0, *stops], stops, strict=False))
