"""What a pass saw, and what a method may see of it.

Shapes: N samples, T targets, C channels, S the space of the tap (any number of dimensions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from xaikit.errors import UndeclaredNeed
from xaikit.explanation import Noted
from xaikit.layers import Tap
from xaikit.needs import Needs
from xaikit.targets import Pinned


class Method(Protocol):
    """The class behind a plugin of ``xaikit.methods``: a frozen dataclass whose fields are its options.

    ``paper`` (stage to choice) is the finish that its paper asks for; it may be left out. A property ``reruns`` may
    tell the plan how many further passes a batch costs.
    """

    needs: ClassVar[Needs]

    def explain(self, view: View) -> Tensor:
        """The raw signed map (N, T, *S), or (N, 1, *S) where the target plays no part."""


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
    """

    inputs: Any
    space: tuple[int, ...]
    output: Any
    pinned: tuple[Pinned, ...]
    columns: tuple[slice, ...]
    scores: Tensor
    activations: Mapping[Tap, Tensor]
    gradients: Mapping[Tap, Tensor]


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


class View:
    """One tap of a trace for one target, narrowed to what the method declared in its ``needs``."""

    channel = 2

    def __init__(
        self,
        trace: Trace,
        tap: Tap,
        columns: slice,
        needs: Needs,
        module: nn.Module,
        generator: SampleGenerator,
        retrace: Callable[[Any], View],
    ) -> None:
        self._trace = trace
        self._tap = tap
        self._columns = columns
        self._needs = needs
        self._module = module
        self._generator = generator
        self._retrace = retrace
        self.noted: list[Noted] = []

    @property
    def layer(self) -> str:
        """The name of the tap."""
        return str(self._tap)

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
        self._declared("gradients")
        return self._trace.gradients[self._tap][:, self._columns]

    @property
    def scores(self) -> Tensor:
        """What is explained, (N, T)."""
        return self._trace.scores[:, self._columns]

    @property
    def inputs(self) -> Any:
        """The inputs as the model received them."""
        self._declared("inputs")
        return self._trace.inputs

    @property
    def module(self) -> nn.Module:
        """The model, to be read and not changed."""
        self._declared("module")
        return self._module

    @property
    def generator(self) -> SampleGenerator:
        """Random numbers, one stream a sample."""
        return self._generator

    def retrace(self, inputs: Any) -> View:
        """The evidence at other inputs of the same shape, for the same pinned target. Costs a pass.

        Args:
            inputs: in the structure of ``view.inputs``.
        """
        self._declared("reruns")
        return self._retrace(inputs)

    def warn(self, reason: str, where: Tensor) -> None:
        """Say that something was left out; it is counted for every sample and shown with the explanation.

        Args:
            reason: what, in a few words.
            where: true at every place it happened, (N, ...).
        """
        self.noted.append(Noted(self.layer, reason, where.reshape(len(where), -1).sum(1)))

    def _declared(self, need: str) -> None:
        if not getattr(self._needs, need):
            example = "gradients=1" if need == "gradients" else f"{need}=True"
            raise UndeclaredNeed(
                f"view.{'retrace' if need == 'reruns' else need} was read but not declared: needs = Needs({example})"
            )
