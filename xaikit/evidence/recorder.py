"""One pass with all that is recorded of it: its taps, attention where somebody needs it, and what layers add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xaikit.evidence import attention, biases
from xaikit.evidence.attention import AttentionCall, AttentionRecorder
from xaikit.evidence.biases import BiasRecorder, LayerCall
from xaikit.evidence.hooks import Cut, Recorder, Substitute, TappedTensor
from xaikit.evidence.taps import BIASES, INPUT, Tap, module_at


@dataclass(frozen=True)
class Recorded:
    """What a pass left.

    points  of every hooked tap, one as a rule
    calls   of attention
    layers  that may add something
    input   the leaf that the model's (first) input was, where the gradient at it is wanted
    at      whether gradients are taken at the mixed values of the calls
    """

    points: Mapping[Tap, Sequence[TappedTensor]]
    calls: Sequence[AttentionCall] = ()
    layers: Sequence[LayerCall] = ()
    input: Tensor | None = None
    at: bool = False

    @property
    def tensors(self) -> list[Tensor]:
        """Where gradients are taken: at the points, the calls, the layers and the input, in this order."""
        points = [point.tensor for tap in self.points for point in self.points[tap]]
        calls = [call.mixed for call in self.calls] if self.at else []
        return [
            *points,
            *calls,
            *(layer.output for layer in self.layers),
            *([] if self.input is None else [self.input]),
        ]


class Recording:
    """One pass with its taps: what each saw, and whether the way from the first to the output stayed differentiable.

    Args:
        stop: leave the forward as soon as all taps have fired, if that can be known.
        substitutes: what a tap returns instead, by tap.
    """

    def __init__(
        self,
        taps: Sequence[Tap],
        differentiate: bool,
        stop: bool = False,
        substitutes: dict[Tap, Substitute] | None = None,
    ) -> None:
        taps = [tap for tap in taps if tap != INPUT]  # which nobody has to wait for
        stop = stop and bool(taps) and all(tap.at == "output" and tap.call != "last" for tap in taps)
        self.course = Cut(differentiate, set(taps) if stop else None)
        hooked = [tap for tap in taps if tap.is_hooked]
        self.recorders = {tap: Recorder(tap, self.course, (substitutes or {}).get(tap)) for tap in hooked}
        self._at = differentiate and any(tap.at == "attended" for tap in taps)
        attends = any(tap.at in ("attention", "attended") for tap in taps)
        self._calls = AttentionRecorder(self.course, self._at) if attends else None
        self._layers = BiasRecorder(self.course) if differentiate and BIASES in taps else None
        self._input: Tensor | None = None

    @property
    def severed(self) -> bool:
        """Whether grad mode was found switched off behind a leaf."""
        return self.course.severed

    def from_input(self, tensor: Tensor) -> Tensor:
        """The model's input as a leaf of the pass, and a child of it to be handed to the model."""
        self.course.has_leaf = True
        self._input = tensor.detach().requires_grad_()
        with torch.enable_grad():
            return self._input.clone()

    def recorded(self) -> Recorded:
        """What there is after the forward.

        Raises:
            TapError: a tap never fired, fired more than once, or its tensor was changed through an alias.
        """
        points = {tap: recorder.points() for tap, recorder in self.recorders.items()}
        calls = self._calls.made if self._calls is not None else ()
        layers = self._layers.layers() if self._layers is not None else ()
        return Recorded(points, calls, layers, self._input, self._at)

    @contextmanager
    def hooked(self, model: nn.Module) -> Iterator[None]:
        """All that records, for the length of one forward; grad mode and inference mode are afterwards what they were."""
        grad = torch.is_grad_enabled()
        with ExitStack() as stack:
            # restores both modes, and after the guards: a guard dropped goes back to the inference mode it was made in
            stack.enter_context(torch.inference_mode(torch.is_inference_mode_enabled()))
            torch.set_grad_enabled(grad)
            stack.callback(self.course.guards.clear)
            stack.enter_context(attention.listening(model, self._calls))
            stack.enter_context(biases.listening(model, self._layers))
            for tap, recorder in self.recorders.items():
                stack.callback(module_at(model, tap.name).register_forward_hook(recorder).remove)
            yield
            self.course.check()
