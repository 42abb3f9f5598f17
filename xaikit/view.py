"""What a pass saw, and what a method may see of it.

Shapes: N samples, T targets, C channels, S the space of the tap (any number of dimensions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from xaikit.calling import first_tensor, varied
from xaikit.errors import UndeclaredNeed
from xaikit.explanation import Noted
from xaikit.layers import Path, Tap
from xaikit.layouts import Layout
from xaikit.needs import Needs
from xaikit.targets import Pinned, PinnedTogether

Make = Callable[[slice], Tensor]


class Method(Protocol):
    """The class behind a plugin of ``xaikit.methods``: a frozen dataclass whose fields are its options.

    ``paper`` (stage to choice) is the finish that its paper asks for; it may be left out. A method
    ``further(channels, places) -> int`` may tell the plan how many further scores or passes a sample costs at a tap of
    so many channels and places.

    A method ``variants() -> Hashable`` may say what its re-run variants depend on: instances of equal variants ask
    ``view.rescore`` for the same variants in the same order at the same tap (one may ask for more than the other at the
    end), and draw the same numbers. The engine then runs the model once for all of them.
    """

    needs: ClassVar[Needs]

    def explain(self, view: View) -> Tensor:
        """The raw signed map (N, T, *S), or (N, 1, *S) where the target plays no part."""


@dataclass(frozen=True)
class Place:
    """Where exactly a tap's evidence was found: the way to the tensor, at which call of the module, and its layout."""

    path: Path
    turn: int
    layout: Layout


@dataclass(frozen=True)
class Trace:
    """Everything that one pass saw, at all taps and for all targets.

    inputs       as the model received them
    space        the spatial shape of the (first) input
    output       detached, as ``model.output`` selects it
    pinned       the targets, in order; ``columns`` has the place of each on the T axis
    scores       (N, T)
    activations  (N, C, *S) by tap
    gradients    (N, T, C, *S) by tap; empty where nobody needs them
    places       where the evidence of a tap was found, so that another pass can put something in its place
    """

    inputs: Any
    space: tuple[int, ...]
    output: Any
    pinned: tuple[Pinned, ...]
    columns: tuple[slice, ...]
    scores: Tensor
    activations: Mapping[Tap, Tensor]
    gradients: Mapping[Tap, Tensor]
    places: Mapping[Tap, Place]

    def narrowed(self, targets: Sequence[int], taps: Sequence[Tap]) -> Trace:
        """The same pass for some of its targets, which become one, at some of its taps.

        Nothing is copied where the columns of these targets lie side by side.

        Args:
            targets: their places among the pinned ones, ascending.
        """
        columns = [self.columns[place] for place in targets]
        pinned = [self.pinned[place] for place in targets]
        chosen: slice | list[int] = slice(columns[0].start, columns[-1].stop)
        if any(one.stop != other.start for one, other in pairwise(columns)):
            chosen = [column for part in columns for column in range(part.start, part.stop)]
        scores = self.scores[:, chosen]
        return replace(
            self,
            pinned=(pinned[0] if len(pinned) == 1 else PinnedTogether(tuple(pinned)),),
            columns=(slice(0, scores.shape[1]),),
            scores=scores,
            activations={tap: self.activations[tap] for tap in taps},
            gradients={tap: self.gradients[tap][:, chosen] for tap in taps if tap in self.gradients},
        )


class SampleGenerator:
    """Random numbers with one stream a sample, drawn on the CPU.

    A sample draws the same numbers whatever batch, device or precision it is explained in.

    Args:
        seeds: one a sample.
        like: a tensor whose device and type the numbers get.
    """

    def __init__(self, seeds: Sequence[int], like: Tensor) -> None:
        self._streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._like = like

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, (N, *shape)."""
        return self._draw(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), (N, *shape)."""
        return self._draw(torch.rand, shape)

    def _draw(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        # float64 whatever the model computes in, so that precision does not change what is drawn
        rows = [draw(shape, generator=stream, dtype=torch.float64) for stream in self._streams]
        return torch.stack(rows).to(self._like)


class Further(Protocol):
    """The further passes that the engine makes for one view; see the methods of :class:`View` of the same names."""

    def retrace(self, inputs: Any) -> View: ...

    def retrace_with(self, activations: Tensor) -> View: ...

    def rescore(self, count: int, make: Make, probabilities: bool) -> Tensor: ...

    def rescore_with(self, count: int, make: Make) -> Tensor: ...

    def hvp(self, vector: Tensor) -> Tensor: ...


class View:
    """One tap of a trace, narrowed to what the method declared in its ``needs``.

    Its targets are all those of the trace; ``noted`` is what the method had to say, counted (N, T), or (N, 1).
    """

    channel = 2

    def __init__(
        self,
        trace: Trace,
        tap: Tap,
        needs: Needs,
        module: nn.Module,
        draw: Callable[[], SampleGenerator],
        further: Further,
    ) -> None:
        self._trace = trace
        self._tap = tap
        self._needs = needs
        self._module = module
        self._draw = draw
        self._further = further
        self.noted: list[Noted] = []

    @property
    def layer(self) -> str:
        """The name of the tap."""
        return str(self._tap)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, T, *S) of the map to be returned; N and T are known without any score."""
        activations = self._trace.activations[self._tap]
        return (len(activations), self._trace.scores.shape[1], *activations.shape[2:])

    @property
    def space(self) -> tuple[int, ...]:
        """The dimensions of evidence that are space."""
        return tuple(range(3, self.activations.dim()))

    @property
    def activations(self) -> Tensor:
        """(N, 1, C, *S)"""
        return self._trace.activations[self._tap].unsqueeze(1)

    @property
    def gradients(self) -> Tensor:
        """Of the scores with respect to the activations, (N, T, C, *S)."""
        self._declared("gradients", "gradients=1")
        return self._trace.gradients[self._tap]

    @property
    def scores(self) -> Tensor:
        """What is explained, (N, T)."""
        self._declared("scores", "scores=True")
        return self._trace.scores

    @property
    def inputs(self) -> Any:
        """The inputs as the model received them."""
        self._declared("inputs", "inputs=True")
        return self._trace.inputs

    @property
    def image(self) -> Tensor:
        """The first tensor of the inputs, (N, ...): what ``rescore`` varies; its space is (N, channels, *space)."""
        self._declared("inputs", "inputs=True", "image")
        return first_tensor(self._trace.inputs)

    def inputs_with(self, image: Tensor) -> Any:
        """The inputs with another first tensor, for ``retrace``."""
        self._declared("inputs", "inputs=True", "inputs_with")
        return varied(self._trace.inputs, image)

    @property
    def module(self) -> nn.Module:
        """The model, to be read and not changed."""
        self._declared("module", "module=True")
        return self._module

    @cached_property
    def generator(self) -> SampleGenerator:
        """Random numbers, one stream a sample."""
        return self._draw()

    def retrace(self, inputs: Any) -> View:
        """The evidence at other inputs of the same shape, for the same pinned target. Costs a pass.

        Args:
            inputs: in the structure of ``view.inputs``.
        """
        self._declared("reruns", "reruns=True", "retrace")
        return self._further.retrace(inputs)

    def retrace_with(self, activations: Tensor) -> View:
        """The evidence where the tap returns other activations, (N, C, *S), for the same pinned target. Costs a pass."""
        self._declared("replays", "replays=True", "retrace_with")
        return self._further.retrace_with(activations)

    def rescore(self, count: int, make: Make, probabilities: bool = False) -> Tensor:
        """The scores of variants of the input, (N, T, count); the engine decides how many are in memory at once.

        Args:
            count: variants a sample.
            make: from a slice of range(count) to its variants (N, m, ...) of ``view.image``; other inputs of the
                model stay as they are. It may not be asked for variants that the model has been run on already, for
                another instance of the method with equal ``variants()``.
            probabilities: the softmax probabilities of the explained classes instead of their scores.
        """
        self._declared("reruns", "reruns=True", "rescore")
        return self._further.rescore(count, make, probabilities)

    def rescore_with(self, count: int, make: Make) -> Tensor:
        """The scores where the tap returns variants of its activations, (N, T, count).

        Only what lies behind the tap is computed for every variant; checked against the true score, and computed by
        passes of the whole model where that fails.

        Args:
            count: variants a sample.
            make: from a slice of range(count) to its variants (N, m, C, *S).
        """
        self._declared("replays", "replays=True", "rescore_with")
        return self._further.rescore_with(count, make)

    def hvp(self, vector: Tensor) -> Tensor:
        """The Hessian of the scores at the activations times a vector, both (N, T, C, *S). Costs a pass.

        Zero where what lies behind the tap is linear.
        """
        self._declared("gradients", "gradients=2", "hvp", least=2)
        return self._further.hvp(vector)

    def warn(self, reason: str, where: Tensor) -> None:
        """Say that something was left out; it is counted for every sample and shown with the explanation.

        Args:
            reason: what, in a few words.
            where: true at every place it happened, (N, T, ...); (N, ...) of another second size is counted for every
                target.
        """
        targets = where.shape[1] if where.shape[1:2] == (self.shape[1],) else 1
        self.noted.append(Noted(self.layer, reason, where.reshape(len(where), targets, -1).sum(2)))

    def _declared(self, need: str, example: str, read: str = "", least: int = 1) -> None:
        if getattr(self._needs, need) < least:
            raise UndeclaredNeed(f"view.{read or need} was read but not declared: needs = Needs({example})")
