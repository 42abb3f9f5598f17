"""What the class of a method declares, read without an instance of it and without torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from xaikit.errors import check_declared
from xaikit.needs import Needs


def needs_of(cls: type) -> Needs | None:
    """What a method asks of the engine; None where only an instance tells, or for another kind of plugin."""
    needs = getattr(cls, "needs", None)
    return needs if isinstance(needs, Needs) else None


def traits_of(cls: type) -> frozenset[str] | None:
    """What a method promises of its maps, see :mod:`xaikit.testing.traits`; None where it declares nothing.

    Raises:
        PluginContract: they are no names.
    """
    traits: Any = getattr(cls, "traits", None)
    if traits is None:
        return None
    names = (
        not isinstance(traits, str) and isinstance(traits, Collection) and all(isinstance(one, str) for one in traits)
    )
    check_declared("traits", traits, names, "names of traits")
    return frozenset(traits)


def paper_of(cls: type) -> Mapping[str, Any]:
    """The finish that a method's paper asks for, stage to choice; empty where it declares none.

    Raises:
        PluginContract: it is no mapping.
    """
    paper: Any = getattr(cls, "paper", {})
    check_declared("paper", paper, isinstance(paper, Mapping), "a mapping from stages to choices")
    stages: Mapping[str, Any] = paper
    return stages
