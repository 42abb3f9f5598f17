"""What is checked, and with which options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest
from torch import Tensor

from helpers.faulty_methods import Sound
from xaikit.errors import UnknownPlugin
from xaikit.plain.others import changed
from xaikit.registry import Registry
from xaikit.testing import Check, CheckFailed
from xaikit.testing.subjects import Subject


@dataclass(frozen=True)
class Optioned(Sound):
    """L = nothing."""

    kind: Literal["a", "b", "c"] = "a"
    count: int = 4
    share: float = 0.5
    on: bool = True
    top: int | None = None
    examples: ClassVar[Sequence[dict[str, Any]]] = ({"count": 7},)

    def __post_init__(self) -> None:
        if self.count > 8:
            raise ValueError("count: expected at most 8")

    def explain(self, view: Any) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class Needy(Sound):
    """L = nothing."""

    path: str = ""


def subject(cls: type | str, *more: dict[str, Any], kind: str = "method") -> Subject:
    return Subject(kind, cls, Registry(), more)


def test_instances_are_the_default_and_those_of_all_examples() -> None:
    assert subject(Optioned, {"kind": "b"}).instances() == [Optioned(), Optioned(count=7), Optioned(kind="b")]


@dataclass(frozen=True)
class Required:
    """A target that cannot do without."""

    of: tuple[int, ...]

    def pin(self, output: Any, labels: Any) -> None: ...


def test_an_option_without_a_default_needs_an_example() -> None:
    with pytest.raises(UnknownPlugin, match=r"Required: option of has no default; give the kit options .*'of': \.\.\."):
        subject(Required, kind="target").instances()
    assert subject(Required, {"of": (1,)}, kind="target").instances() == [Required((1,))]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("kind", ["b", "c"]),
        ("count", [5, 2]),  # nine is refused by the class
        ("share", [1.5, 0.25]),
        ("on", [False]),
        ("top", [1, 0.5]),
    ],
)
def test_other_values_of_an_option_come_from_its_type(name: str, values: list[Any]) -> None:
    assert [getattr(one, name) for one in changed(Optioned(), name)] == values


def test_an_option_of_another_type_is_not_changed() -> None:
    assert list(changed(Needy(), "path")) == []


def test_a_check_says_its_name_and_how_to_run_it_again() -> None:
    def work() -> None:
        raise ZeroDivisionError("oh")

    check = Check("adds_up", "xaikit check mine --only adds_up", work)
    assert str(check) == check.__name__ == "adds_up"
    with pytest.raises(CheckFailed) as caught:
        check()
    assert str(caught.value) == (
        "adds_up: expected it to work, got ZeroDivisionError: oh\n  again: xaikit check mine --only adds_up"
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
