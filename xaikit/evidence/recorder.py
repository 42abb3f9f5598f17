"""One pass with all that is recorded of it: its taps, attention where somebody needs it, and what layers add."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from xaikit.backward.gradients import RuledGradients, ruled_gradients
from xaikit.backward.graph import ModuleCalls, module_calls
from xaikit.errors import ConfigError
from xaikit.evidence.attention import AttentionCall, AttentionRecorder
from xaikit.evidence.biases import BiasRecorder, LayerCall
from xaikit.evidence.hooks import Cut, Substitute, TappedTensor, TapRecorder, hooked, module_of, named
from xaikit.evidence.taps import BIASES, INPUT, Tap
from xaikit.passes.backprop import gradients_at

GradientsOf = Callable[[Tensor, Sequence[Tensor]], tuple[list[Tensor | None], int]]


@dataclass(frozen=True)
class Recorded:
    """What a pass left: tensors, each with the gradient there once it is taken.

    points    of every hooked tap, one as a rule; of BIASES the leaf that the model's (first) input was, where there is one
    calls     of attention
    layers    that may add something
    attended  whether gradients are taken at the mixed values of the calls
    differentiated  whether gradients were taken
    modules   that made the graph, where the gradients of some taps have rules
    refused   taps whose rules do not serve this graph, and why
    """

    points: Mapping[Tap, Sequence[TappedTensor]]
    calls: Sequence[AttentionCall] = ()
    layers: Sequence[LayerCall] = ()
    attended: bool = False
    differentiated: bool = False
    modules: ModuleCalls | None = None
    refused: Mapping[Tap, ConfigError] = field(default_factory=dict)

    @property
    def tensors(self) -> list[Tensor]:
        """What gradients are taken at."""
        return [
            *(point.tensor for points in self.points.values() for point in points),
            *(call.mixed for call in self.calls if self.attended),
            *(layer.output for layer in self.layers),
        ]

    def differentiate(self, scores: Tensor, gradients_of: GradientsOf = gradients_at) -> tuple[Recorded, int]:
        """The same with the gradients of scores (N, T), and how many gradient calls they took."""
        ordinary = replace(self, points={tap: points for tap, points in self.points.items() if tap.backward is None})
        gradients, count = gradients_of(scores, ordinary.tensors) if ordinary.tensors else ([], 0)
        ruled = self._ruled(scores, gradients_of)
        ahead = iter(gradients)
        points = {
            tap: [replace(point, gradient=next(ruled.gradients.get(tap, ahead))) for point in points]
            for tap, points in self.points.items()
        }
        calls = [replace(call, gradient=next(ahead)) for call in self.calls] if self.attended else self.calls
        layers = [replace(layer, gradient=next(ahead)) for layer in self.layers]
        recorded = replace(self, points=points, calls=calls, layers=layers, differentiated=True, refused=ruled.refused)
        return recorded, count + ruled.calls

    def _ruled(self, scores: Tensor, gradients_of: GradientsOf) -> RuledGradients[Tap]:
        if self.modules is None:
            return RuledGradients()
        points = {
            tap: (tap.backward if tap.is_given else tap.backward.inside, [point.tensor for point in points])
            for tap, points in self.points.items()
            if tap.backward is not None
        }
        return ruled_gradients(scores, points, self.modules, gradients_of)


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
        substitutes: Mapping[Tap, Substitute] | None = None,
    ) -> None:
        taps = [tap for tap in taps if tap != INPUT]  # which nobody has to wait for
        self._hooks = {tap: tap.ordinary for tap in taps if tap.is_hooked}
        tables = [tap.backward for tap in taps if tap.backward is not None]
        self._modules = module_calls(tables) if differentiate and tables else None
        stop = stop and bool(taps) and all(tap.at == "output" and tap.call != "last" for tap in taps)
        self._cut = Cut(differentiate, set(taps) if stop else None)
        substitutes = {tap.ordinary: put for tap, put in (substitutes or {}).items()}
        self._taps = {tap: TapRecorder(tap, self._cut, substitutes.get(tap)) for tap in self._hooks.values()}
        self._attended = differentiate and any(tap.at == "attended" for tap in taps)
        attends = any(tap.attends for tap in taps)
        self._attention = AttentionRecorder(self._cut, self._attended) if attends else None
        self._biases = BiasRecorder(self._cut) if differentiate and BIASES in taps else None
        self._input: dict[Tap, list[TappedTensor]] = {}

    @property
    def severed(self) -> bool:
        """Whether grad mode was found switched off behind a leaf."""
        return self._cut.severed

    def from_input(self, tensor: Tensor) -> Tensor:
        """The model's input as a leaf of the pass, and a child of it to be handed to the model."""
        self._cut.has_leaf = True
        leaf = tensor.detach().requires_grad_()
        self._input = {BIASES: [TappedTensor((), 1, leaf)]}
        with torch.enable_grad():
            return leaf.clone()

    def recorded(self) -> Recorded:
        """What there is after the forward.

        Raises:
            TapError: a tap never fired, fired more than once, or its tensor was changed through an alias.
        """
        recorded = {tap: recorder.points() for tap, recorder in self._taps.items()}
        points = {tap: recorded[hook] for tap, hook in self._hooks.items()} | self._input
        calls = self._attention.calls if self._attention is not None else ()
        layers = self._biases.layers() if self._biases is not None else ()
        return Recorded(points, calls, layers, self._attended, modules=self._modules)

    @contextmanager
    def hooked(self, model: nn.Module) -> Iterator[None]:
        """All that records, for the length of one forward; grad mode and inference mode are afterwards what they were."""
        with self._cut.modes(torch.is_grad_enabled()), ExitStack() as stack:
            for beside in (self._attention, self._biases):
                if beside is not None:
                    stack.enter_context(beside.listening(model))
            if self._modules is not None:
                stack.enter_context(hooked(named(model), self._modules.leave, self._modules.enter))
                stack.callback(self._modules.end)
            modules = ((recorder, module_of(model, tap)) for tap, recorder in self._taps.items())
            stack.enter_context(hooked(modules, TapRecorder.leave, given=lambda recorder: recorder.is_given))
            yield
            self._cut.check()
