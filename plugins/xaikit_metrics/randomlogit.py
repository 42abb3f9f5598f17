"""Random logit: whether another class has another map (Sixt et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy
from xaikit_metrics._similarity import Similarity, is_constant, similarity, without_constant


@dataclass(frozen=True)
class RandomLogit:
    """How alike the maps of the explained class and of another are, which is drawn by the seed for each photograph.

    Cost: 1 explanation; all methods share the pass, since all are asked for the same class.
    Fails: two classes with the same evidence, such as two breeds of dog, have alike maps rightly.
    Peers: Quantus' RandomLogit, by SSIM.

    similarity  what alike means
    absolute    whether magnitudes are compared, whatever their sign
    reads       which map is compared
    """

    similarity: Similarity = "spearman"
    absolute: bool = False
    reads: Policy = "raw"

    needs: ClassVar[MetricNeeds] = MetricNeeds(explains=True)
    family: ClassVar[str] = "randomisation"
    equation: ClassVar[str] = "R = similarity(m_c, m_k), k another class than c at random"
    citation: ClassVar[str] = "Sixt, Granz, Landgraf 2020, arXiv:1912.09818"
    suites: ClassVar[frozenset[str]] = frozenset({"quick", "full"})
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @property
    def explanations(self) -> int:
        """Of the other class."""
        return 1

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where a map is constant, or what is explained is not one class alone."""
        maps, classes, count = without_constant(view, self.absolute), view.classes, view.class_count
        lonely = (classes < 0) | (count < 2)
        view.undefined("what is explained is not one class of several", lonely)
        drawn = (view.stream("class").uniform(1).double() * (count - 1)).long().clamp(min=0)
        other = view.explain_class(((classes + 1 + drawn.to(classes)) % max(count, 1)).masked_fill(lonely, -1))
        other = other.abs() if self.absolute else other
        view.undefined("the map of the other class is constant", is_constant(other))
        return similarity(self.similarity, maps, other)


@hookimpl
def xaikit_metric() -> type:
    return RandomLogit
