"""The contract of a metric: how good a map is, in one number, and what a metric is handed to find out.

Shapes: N cases, T targets, C channels of the model's input, S its space (any number of dimensions), s that of a layer. A case
is one map of one photograph; which photographs and methods its neighbours are of plays no part.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

from xaikit.errors import UndeclaredNeed, declared, is_count
from xaikit.sources.framed import Annotation as Annotation

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from xaikit.draws import SampleGenerator

Policy = Literal["raw", "rectified", "minmax", "ranks"]
"""Which map a metric judges, of the raw signed one at the size of the model's input (bilinear; of several layers the mean, each
in units of its largest |x|)::

    raw        that map
    rectified  max(0, x)
    minmax     max(0, x), less its minimum, in units of its maximum: [0, 1]; a constant map is 0
    ranks      the share of places with a lower value, ties in the middle: [0, 1]; a constant map is 1/2
"""
POLICIES: tuple[Policy, ...] = get_args(Policy)

Scored = Literal["probability", "logit", "target"]
"""Which number of the pinned target counts: its softmax probability, its logit, or what was explained."""

VariantsOf = Literal["map", "photograph"]
"""What variants are made from: ``view.maps``, so that maps which are read alike share them, or the photograph alone."""

Family = Literal["faithfulness", "localisation", "robustness", "randomisation", "complexity", "axioms"]

Objects = Literal["target", "any"]
"""Which objects count: those of the explained class and those of no stated class, or all."""

MakeVariants = Callable[[slice], "Tensor"]


@dataclass(frozen=True, slots=True)
class MetricNeeds:
    """What a metric asks of the engine.

    scores       further passes of the model from other inputs (``view.rescore``)
    annotations  where the objects are (``view.objects``, ``view.boxes``, ``view.masks``)
    explains     the same method once more, at other inputs (``view.explain``)
    model        the same with a copy of the model (``view.copied_model``, ``view.explain_with``)
    photographs  other photographs of the data (``view.others``)
    """

    scores: bool = False
    annotations: bool = False
    explains: bool = False
    model: bool = False
    photographs: bool = False


class Metric(Protocol):
    """The class behind a plugin of ``xaikit.metrics``: a frozen dataclass whose fields are its options.

    needs             of the class
    reads             of the class or a field: see :data:`Policy`
    higher_is_better  of the class
    range             of the class or its options: the lowest and the highest value there may be, infinite where there is none

    It may have more members, all of which :mod:`xaikit.testing` holds against what the metric does:

    chance        what a map gets that knows nothing: a number, or ``chance(view) -> (N, T)``
    family        of the class: what kind of question it asks, see :data:`Family`
    equation, citation  of the class: as cards print them
    suites        of the class: the words of ``metrics:`` that it is part of, such as ``quick``
    further, explanations  properties: further scores that a case costs, and how often it is explained again
    no_oracle     of the class, a sentence: why a map of the true evidence may do no better than one that knows nothing
    refine        ``refine(numbers) -> values``: from what ``view.keep`` kept of all photographs of one method, a mapping
                  each, to their final values, where one photograph's depends on the others (a threshold that is chosen)
    """

    needs: ClassVar[MetricNeeds]
    higher_is_better: ClassVar[bool]

    @property
    def range(self) -> tuple[float, float]: ...

    @property
    def reads(self) -> Policy: ...

    def measure(self, view: MetricView) -> Tensor:
        """The value of each case, (N, T); NaN where there is none: :meth:`MetricView.undefined` says why, or a DataError does."""


def further_of(metric: Metric) -> int:
    """Further scores that a case costs; 0 where a metric does not say. Raises PluginContract."""
    return declared(metric, "further", 0, lambda count: is_count(count, 0), "a number of scores, 0 or more")


def explanations_of(metric: Metric) -> int:
    """How often a case is explained again; 0 where a metric does not say. Raises PluginContract."""
    return declared(metric, "explanations", 0, lambda count: is_count(count, 0), "a number of explanations, 0 or more")


def reads_of(metric: Metric) -> Policy:
    """Which map a metric judges. Raises PluginContract for none that there is."""
    stated: Policy = declared(metric, "reads", "raw", lambda reads: reads in POLICIES, f"one of {', '.join(POLICIES)}")
    return stated


class Further(Protocol):
    """What the engine does for one view; see the methods of :class:`MetricView` of the same names."""

    def raws(self) -> tuple[Tensor, ...]: ...
    def score(self, scored: Scored) -> Tensor: ...
    def rescore(self, count: int, make: MakeVariants, scored: Scored, share: Hashable, of: VariantsOf) -> Tensor: ...
    def classes(self) -> tuple[Tensor, int]: ...
    def explain(self, inputs: Tensor) -> Tensor: ...
    def explain_class(self, classes: Tensor) -> Tensor: ...
    def explain_with(self, model: nn.Module, inputs: Tensor | None) -> Tensor: ...
    def copied_model(self) -> nn.Module: ...
    def output_of(self, model: nn.Module, inputs: Tensor) -> Any: ...
    def others(self, count: int, purpose: str) -> Tensor: ...
    def stream(self, purpose: str) -> SampleGenerator: ...
    def weights(self, purpose: str) -> torch.Generator: ...
    def case(self, row: int) -> Further: ...


@dataclass(eq=False, repr=False)
class MetricView:
    """Some maps and their photographs, narrowed to what the metric declared in its ``needs``.

    maps         (N, T, *S): the maps as ``reads`` of the metric says
    image        (N, C, *S): the model's (first) input
    black        (C, 1, ...): what a black pixel is in units of the input; 0 where that is no picture
    """

    maps: Tensor
    image: Tensor
    black: Tensor
    _annotations: tuple[Annotation | None, ...]
    _needs: MetricNeeds
    _further: Further
    numbers: dict[str, Tensor] = field(default_factory=dict, init=False)
    reasons: list[tuple[str, Tensor]] = field(default_factory=list, init=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, T, *S) of the maps."""
        return tuple(self.maps.shape)

    @property
    def space(self) -> tuple[int, ...]:
        """The dimensions of ``maps`` that are space."""
        return tuple(range(2, self.maps.dim()))

    @cached_property
    def raws(self) -> tuple[Tensor, ...]:
        """The raw signed maps as the method made them, (N, T, *s), one a layer."""
        return self._further.raws()

    @property
    def score(self) -> Tensor:
        """What was explained, on the photograph as it is, (N, T)."""
        return self._further.score("target")

    @property
    def probability(self) -> Tensor:
        """The softmax probability of the explained class, (N, T); NaN where the target is no class."""
        return self._further.score("probability")

    def scored(self, scored: Scored) -> Tensor:
        """One number of the pinned target on the photograph as it is, (N, T)."""
        return self._further.score(scored)

    def rescore(
        self,
        count: int,
        make: MakeVariants,
        scored: Scored = "probability",
        share: Hashable = None,
        of: VariantsOf = "map",
    ) -> Tensor:
        """The scores of variants of the input, (N, T, count): of the target that was explained, and no other.

        Args:
            count: variants a case.
            make: from a slice of range(count) to its variants, (N, T, m, C, *S), or (N, m, C, *S).
            scored: which number of the target.
            share: what the variants depend on beside what they are made from, such as the imputer; metrics that state the same
                ask for the same variants in the same order, and the model sees them once. None shares nothing.
            of: what they are made from: the map, or the photograph alone, whose maps are then scored together.
        """
        self._declared("scores", "rescore")
        return self._checked("score of another input", self._further.rescore(count, make, scored, share, of))

    @property
    def classes(self) -> Tensor:
        """The explained class of each case, (N, T); -1 where what is explained is not one class alone."""
        return self._further.classes()[0]

    @property
    def class_count(self) -> int:
        """How many classes the model has; 0 where what is explained is not one class alone."""
        return self._further.classes()[1]

    def objects(self, of: Objects = "target") -> tuple[Annotation, ...]:
        """Where the objects of each case are; empty where the data states none."""
        self._declared("annotations", "objects")
        nothing = Annotation(self.image.new_zeros(0, 4, device="cpu"))
        stated = [nothing if one is None else one for one in self._annotations]
        if of == "any":
            return tuple(stated)
        return tuple(one.of(index) for one, index in zip(stated, self.classes[:, 0].tolist(), strict=True))

    @property
    def boxes(self) -> tuple[Tensor, ...]:
        """All boxes of each case, (K, 4) in pixels of the input; K is 0 where the data states none."""
        return tuple(one.boxes.to(self.image) for one in self.objects("any"))

    @property
    def masks(self) -> Tensor:
        """Where an object of each case is, (N, *S) of bool; nowhere where the data states none."""
        import torch

        return torch.stack([one.places(self.shape[2:]) for one in self.objects("any")]).to(self.image.device)

    @property
    def labels(self) -> tuple[tuple[str | int | None, ...], ...]:
        """Of the boxes of each case."""
        return tuple(one.labels for one in self.objects("any"))

    def explain(self, inputs: Tensor) -> Tensor:
        """The maps of the same method, target and draws at other inputs (N, C, *S): (N, T, *S), as ``maps`` are."""
        self._declared("explains", "explain")
        return self._checked("map of another input", self._further.explain(inputs))

    def explain_class(self, classes: Tensor) -> Tensor:
        """The maps of the same method for other classes (N, T): (N, T, *S), as ``maps`` are; NaN where a class is -1."""
        self._declared("explains", "explain_class")
        return self._checked("map of another class", self._further.explain_class(classes), (classes >= 0).cpu())

    def copied_model(self) -> nn.Module:
        """A copy of the model, to be changed and handed to :meth:`explain_with`; the user's own is out of reach."""
        self._declared("model", "copied_model")
        return self._further.copied_model()

    def output_of(self, model: nn.Module, inputs: Tensor) -> Any:
        """What a model returns at other inputs (N, C, *S), beside the further inputs that each case has."""
        self._declared("model", "output_of")
        return self._further.output_of(model, inputs)

    def explain_with(self, model: nn.Module, inputs: Tensor | None = None) -> Tensor:
        """The maps of the same method and target by another model of the same layers, as ``maps`` are; at inputs, where given."""
        self._declared("model", "explain_with")
        return self._checked("map by another model", self._further.explain_with(model, inputs))

    def others(self, count: int) -> Tensor:
        """Other photographs of other predicted classes, confidently so, (N, count, C, *S), by the seed; DataError if too few."""
        self._declared("photographs", "others")
        return self._further.others(count, "others")

    @cached_property
    def generator(self) -> SampleGenerator:
        """Random numbers, one stream a case, of the photograph alone: all methods are judged by the same draws."""
        return self._further.stream("")

    def stream(self, purpose: str) -> SampleGenerator:
        """Random numbers from the beginning, the same for all metrics that state the same purpose."""
        return self._further.stream(f"shared {purpose}")

    def weights(self, purpose: str) -> torch.Generator:
        """Random numbers for weights of a model, which are no photograph's; drawn by the seed and the purpose alone."""
        return self._further.weights(purpose)

    def case(self, row: int) -> MetricView:
        """One case as a view of its own, for code that knows no others; what it keeps and gives as a reason is its own."""
        maps, image, about = self.maps[row:][:1], self.image[row:][:1], self._annotations[row:][:1]
        return replace(self, maps=maps, image=image, _annotations=about, _further=self._further.case(row))

    def keep(self, name: str, values: Tensor) -> None:
        """Keep numbers beside the value, such as a curve or a share of ties: (N, T), or (N, T, count)."""
        self.numbers[name] = values

    def undefined(self, reason: str, where: Tensor) -> None:
        """Say why there is no value, in a few words; ``where`` (N, T) of bool."""
        self.reasons.append((reason, where))

    def _checked(self, what: str, values: Tensor, asked: Tensor | bool = True) -> Tensor:
        self.undefined(f"a {what} is not finite", ~values.isfinite().flatten(2).all(2).cpu() & asked)
        return values

    def _declared(self, need: str, read: str) -> None:
        if not getattr(self._needs, need):
            raise UndeclaredNeed(f"view.{read} was read but not declared: needs = MetricNeeds({need}=True)")
