"""What a method declares by ``variants()``: instances of equal variants ask for the same re-run variants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from xaikit.method import variants_of
from xaikit.plain.others import changed
from xaikit.testing.checks import expect
from xaikit.testing.explaining import raw, served, twin
from xaikit.testing.nets import NetCase
from xaikit.testing.subjects import Subject
from xaikit.view import Make, View


def equal_variants_are_equal(subject: Subject) -> None:
    """Whoever declares them asks for some, and asks for the same under every option that they do not depend on."""
    declaring = [method for method in subject.instances() if variants_of(method) is not None]
    for method in declaring:
        expect(
            any(_rescored(method, case) for case in served(method)),
            "variants() is declared and view.rescore is never asked for any; leave it out",
        )
    for one, other in _equal(subject, declaring):
        for case in served(one):
            for turn, (first, second) in enumerate(zip(_rescored(one, case), _rescored(other, case), strict=False), 1):
                expect(
                    torch.equal(first, second),
                    f"on {case.name}: expected {one} and {other}, whose variants() are equal, to ask for the same variants "
                    f"in call {turn} of view.rescore",
                )


def _equal(subject: Subject, declaring: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Instances that differ in an option and not in their variants."""
    for one in declaring:
        others = [other for item in fields(one) for other in changed(one, item.name)]
        for other in [*others, *subject.instances()]:
            if other != one and variants_of(other) == variants_of(one):
                yield one, other


def _rescored(method: Any, case: NetCase) -> list[Tensor]:
    """The variants of every call of ``view.rescore``, (N, count, ...) each."""
    calls: list[list[Tensor]] = []
    cls: Any = type(method)
    raw(twin(method, explain=lambda self, view: cls.explain(self, _Recorded(view, calls))), case)
    return [torch.cat(parts, 1) for parts in calls]


@dataclass(frozen=True)
class _Recorded:
    """A view that records what ``make`` returns, call by call."""

    _view: View
    _calls: list[list[Tensor]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    def rescore(self, count: int, make: Make, probabilities: bool = False) -> Tensor:
        parts: list[Tensor] = []
        self._calls.append(parts)

        def recorded(part: slice) -> Tensor:
            made = make(part)
            parts.append(made.clone())
            return made

        return self._view.rescore(count, recorded, probabilities)
