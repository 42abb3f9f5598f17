"""What two runs differ in, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SHOWN = 5
"""Differences of one kind that are told one by one."""


@dataclass(frozen=True)
class TrialDifference:
    """One trial that both runs have.

    photographs   that were compared
    worst         largest |a - b| of raw maps in units of the larger map's max|x|; inf where one is NaN or infinite alone
    where         the photograph and layer of the worst, "" where all maps are equal
    beyond        photographs with a map beyond the tolerance
    noted         what differs besides values of maps: layers, shapes, scores, classes, warnings; the first of each photograph
    photographs_noted   photographs of which something is noted
    only_a, only_b      photographs that this trial has in one run alone, though the other run has the photograph
    """

    trial: str
    photographs: int = 0
    worst: float = 0.0
    where: str = ""
    beyond: int = 0
    noted: tuple[str, ...] = ()
    photographs_noted: int = 0
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.beyond or self.photographs_noted or self.only_a or self.only_b)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line, and one for everything that is worth it."""
        at = f" at {self.where}" if self.where else ""
        apart = f", {self.beyond} beyond the tolerance" if self.beyond else ""
        head = f"{self.trial}: {self.photographs} photographs, worst difference {self.worst:.3g}{at}{apart}"
        more = self.photographs_noted - len(self.noted)
        notes = [*self.noted, f"and {more} photographs more"] if more > 0 else self.noted
        missing = _listed({"only in a": self.only_a, "only in b": self.only_b})
        return (head, *(f"  {line}" for line in (*notes, *missing)))


@dataclass(frozen=True)
class Difference:
    """Two runs, compared.

    a, b         their folders
    tolerance    of maps and scores, see :func:`xaikit.analysis.matching.diff`
    trials       that both have
    only_a, only_b              names of trials that one run has alone
    photographs_a, photographs_b  photographs that one run has alone
    by_name      photographs of different bytes that were compared because they have the same name
    """

    a: str
    b: str
    tolerance: float
    trials: tuple[TrialDifference, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    photographs_a: tuple[str, ...] = ()
    photographs_b: tuple[str, ...] = ()
    by_name: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether both runs hold the same trials and photographs, with the same maps and records up to the tolerance."""
        missing = self.only_a or self.only_b or self.photographs_a or self.photographs_b
        return not missing and all(trial.same for trial in self.trials)

    @property
    def lines(self) -> tuple[str, ...]:
        """A summary by trial, then what is missing on either side."""
        verdict = "the same" if self.same else "different"
        missing = {
            "trials only in a": self.only_a,
            "trials only in b": self.only_b,
            "photographs only in a": self.photographs_a,
            "photographs only in b": self.photographs_b,
            "compared by name, their files differ": self.by_name,
        }
        return (
            f"a {self.a}, b {self.b}: {verdict} within {self.tolerance:g}",
            *(line for trial in self.trials for line in trial.lines),
            *_listed(missing),
        )

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _listed(names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A line for what there is any of: the first few, and how many more."""
    for what, several in names.items():
        more = f" and {len(several) - SHOWN} more" if len(several) > SHOWN else ""
        if several:
            yield f"{what}: {', '.join(several[:SHOWN])}{more}"
