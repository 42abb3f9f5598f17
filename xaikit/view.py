"""What a pass saw, and what a method may see of it.

Shapes: N samples, T targets, C channels, S the space of the tap (any number of dimensions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from xaikit._numeric import exact
from xaikit.draws import SampleGenerator
from xaikit.errors import UndeclaredNeed
from xaikit.evidence.attention import Attention
from xaikit.evidence.biases import Bias
from xaikit.evidence.taps import INPUT, Tap
from xaikit.evidence.trace import Place, Trace
from xaikit.explanation import RemarkCounts
from xaikit.further import Make, Reruns
from xaikit.needs import Needs
from xaikit.passes.nests import first_tensor, varied
from xaikit.schema.sections import Reduce
from xaikit.targets import is_spatial, probabilities_of


@dataclass
class Reduction:
    """What is made of weighed channels, and whether a method has weighed any."""

    kind: Reduce = "sum"
    applied: bool = False


__all__ = ["Make", "Place", "Reduction", "Reruns", "SampleGenerator", "Trace", "View"]


@dataclass(eq=False, repr=False)
class View:
    """One tap of a trace, narrowed to what the method declared in its ``needs``.

    Its targets are all those of the trace; ``noted`` is what the method had to say, counted (N, T), or (N, 1).
    """

    channel = 2

    _trace: Trace
    _tap: Tap
    _needs: Needs
    _module: nn.Module
    _draw: Callable[[], SampleGenerator]
    _reruns: Reruns[View]
    _reduction: Reduction = field(default_factory=Reduction)
    noted: list[RemarkCounts] = field(default_factory=list, init=False)
    numbers: dict[str, Tensor] = field(default_factory=dict, init=False)

    @property
    def dtype(self) -> torch.dtype:
        """What the model computed its activations in."""
        return self._trace.activations[self._tap].dtype

    @property
    def layer(self) -> str:
        """The name of the tap."""
        return str(self._tap)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, T, *S) of the map to be returned; N and T are known without any score."""
        activations = self._trace.activations[self._tap]
        return (activations.shape[0], self._trace.scores.shape[1], *activations.shape[2:])

    @property
    def space(self) -> tuple[int, ...]:
        """The dimensions of evidence that are space."""
        return tuple(range(3, self.activations.dim()))

    @property
    def reduce(self) -> Reduce:
        """What is made of weighed channels, by ``ops.weigh`` and ``ops.combine``."""
        return self._reduction.kind

    def mark_reduced(self) -> None:
        """Say that ``reduce`` was applied, as ``ops.weigh`` and ``ops.combine`` do; else a config that sets it is refused."""
        self._reduction.applied = True

    @property
    def activations(self) -> Tensor:
        """(N, 1, C, *S), in float32 at least; so are the gradients."""
        return exact(self._trace.activations[self._tap]).unsqueeze(1)

    @property
    def gradients(self) -> Tensor:
        """Of the scores with respect to the activations, (N, T, C, *S)."""
        self._declared("gradients", "gradients=1")
        if self._tap == INPUT:
            raise UndeclaredNeed(
                "view.gradients was read at the input, which needs the whole model: needs = "
                'Needs(gradients=1, biases=True, layers="all")'
            )
        return exact(self._trace.gradients[self._tap])

    @property
    def relevance(self) -> Tensor:
        """Activations times their gradients by the rules of ``needs.backward``, (N, T, C, *S)."""
        self._declared("backward", "gradients=1, backward=Backward()", "relevance")
        # what is given to the model has shares by rules of its own, which are no products
        rule = self._tap.is_given and self._needs.backward is not None and self._needs.backward.first
        return self.gradients if rule else self.activations * self.gradients

    @property
    def scores(self) -> Tensor:
        """What is explained, (N, T)."""
        self._declared("scores", "scores=True")
        return self._trace.scores.clone()

    @property
    def inputs(self) -> Any:
        """The inputs as the model received them."""
        self._declared("inputs", "inputs=True")
        return self._trace.inputs

    @property
    def image(self) -> Tensor:
        """The first tensor of the inputs as a map (N, channels, *space), one channel where it has none: what ``rescore``
        varies."""
        self._declared("inputs", "inputs=True", "image")
        return self._trace.input_layout.to_map(first_tensor(self._trace.inputs))

    def inputs_with(self, image: Tensor) -> Any:
        """The inputs with another first tensor, arranged as ``view.image``, for ``retrace``."""
        self._declared("inputs", "inputs=True", "inputs_with")
        arranged = self._trace.input_layout.from_map(image, first_tensor(self._trace.inputs))
        return varied(self._trace.inputs, arranged)

    @property
    def is_spatial(self) -> bool:
        """Whether the target is of certain places of the picture: of another cut of it that is another question."""
        return is_spatial(self._trace.pinned[0])

    @property
    def has_probability(self) -> bool:
        """Whether the target is a class, so that ``rescore`` can be asked for its probability."""
        return probabilities_of(self._trace.pinned[0]) is not None

    @property
    def head(self) -> Tensor:
        """The rows of the linear classifier that belong to the explained classes, (N, T, C).

        Raises:
            ConfigError: what lies between the layer and the output is more than average pooling and that classifier, or
                the target is no class.
        """
        self._declared("head", "head=True")
        return self._reruns.head()

    @property
    def attention(self) -> tuple[Attention, ...]:
        """The attention of every block in which all tokens of a picture attend to each other, in order."""
        self._declared("attention", 'attention=1, layers="all"')
        return self._trace.attention

    @property
    def block_attention(self) -> tuple[Attention, ...]:
        """The same, with the gradients of the scores that each block's own tokens get from what lies behind the last one. Costs
        two passes and a gradient call a target."""
        self._declared("attention", 'attention=2, layers="all"', "block_attention", least=2)
        return self._reruns.block_attention()

    def on_grid(self, tokens: Tensor) -> Tensor:
        """A number a token, (N, T, K), as a map (N, T, *S); tokens before the grid are left out."""
        layout = self._trace.places[self._tap].layout
        return layout.to_map(tokens.movedim(1, 2))

    @property
    def lies_on_grid(self) -> Tensor:
        """Which of the tokens that attend to each other are places of the grid, (K,) on the CPU."""
        count = self.attention[0].probabilities.shape[-1]
        numbers = torch.arange(count).view(1, -1, 1)
        places = self._trace.places[self._tap].layout.to_map(numbers).flatten()
        return torch.zeros_like(numbers.flatten(), dtype=torch.bool).index_fill(0, places, True)

    @property
    def biases(self) -> tuple[Bias, ...]:
        """What every layer adds beyond its linear part, with the gradients of the scores there."""
        self._declared("biases", 'biases=True, gradients=1, layers="all"')
        self._declared("gradients", "biases=True, gradients=1")
        return self._trace.biases

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
        """The evidence at other inputs, of the structure and shapes of ``view.inputs``, for the pinned target. Costs a pass."""
        self._declared("reruns", "reruns=True", "retrace")
        return self._reruns.retrace(inputs)

    def at(self, layer: str) -> View:
        """The evidence at another layer, "auto" being the last map, with ordinary gradients, for the pinned target. Costs a pass.
        Raises ConfigError for a name of several layers, LayerNotFound for one of none."""
        self._declared("reruns", "reruns=True", "at")
        return self._reruns.at(layer)

    def retrace_with(self, activations: Tensor) -> View:
        """The evidence where the tap returns other activations, (N, C, *S), for the same pinned target. Costs a pass."""
        self._declared("replays", "replays=True", "retrace_with")
        return self._reruns.retrace_with(activations)

    def gradients_with(self, count: int, make: Make) -> Iterator[Tensor]:
        """The gradients (N, T, C, *S) where the tap returns variants of its activations, for the pinned target: of one variant
        after the other. A small batch takes several variants in a pass.

        Args:
            count: variants a sample.
            make: from a slice of range(count) to its variants (N, m, C, *S); asked for each once and in order, so that it may
                draw them.
        """
        self._declared("replays", "gradients=1, replays=True", "gradients_with")
        self._declared("gradients", "gradients=1, replays=True", "gradients_with")
        return self._reruns.gradients_with(count, make)

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
        return self._reruns.rescore(count, make, probabilities)

    def rescore_with(self, count: int, make: Make) -> Tensor:
        """The scores where the tap returns variants of its activations, (N, T, count).

        Only what lies behind the tap is computed for every variant; checked against the true score, and computed by
        passes of the whole model where that fails.

        Args:
            count: variants a sample.
            make: from a slice of range(count) to its variants (N, m, C, *S).
        """
        self._declared("replays", "replays=True", "rescore_with")
        return self._reruns.rescore_with(count, make)

    def hvp(self, vector: Tensor) -> Tensor:
        """The Hessian of the scores at the activations times a vector, both (N, T, C, *S): zero where what lies behind the tap is
        linear. Costs a pass."""
        self._declared("gradients", "gradients=2", "hvp", least=2)
        return self._reruns.hvp(vector)

    def multipliers(self, start: Tensor | None = None) -> Tensor:
        """DeepLIFT's, (N, T, C, *S), by the Rescale rule and against other activations: times what the true ones differ by they
        sum to what the score does. Costs two passes; refused where more than linear operations and ReLUs lie behind the tap.

        Args:
            start: the others, (N, C, *S); zero without them.
        """
        self._declared("replays", "replays=True", "multipliers")
        return self._reruns.multipliers(start)

    def picture(self, file: str) -> Tensor:
        """A picture that an option names, as the model receives it: (channels, *space), arranged as ``view.image``. Raises
        ConfigError where nobody says by which transform, DataError where it cannot be read."""
        return self._reruns.picture(file)

    def number(self, name: str, value: Tensor) -> None:
        """Keep a number with the explanation, such as what its map leaves unexplained: (N, T), or (N, 1) for all targets."""
        self.numbers[name] = value

    def warn(self, reason: str, where: Tensor) -> None:
        """Say that something was left out; it is counted for every sample and shown with the explanation.

        Args:
            reason: what, in a few words.
            where: true at every place it happened, (N, T, ...); (N, ...) of another second size is counted for every
                target.
        """
        targets = where.shape[1] if where.shape[1:2] == (self.shape[1],) else 1
        self.noted.append(RemarkCounts(self.layer, reason, where.reshape(where.shape[0], targets, -1).sum(2)))

    def _declared(self, need: str, example: str, read: str = "", least: int = 1) -> None:
        stated = getattr(self._needs, need)
        if stated is None or (isinstance(stated, int) and stated < least):
            raise UndeclaredNeed(f"view.{read or need} was read but not declared: needs = Needs({example})")
