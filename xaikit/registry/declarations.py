"""What the class of a method or metric declares, read without an instance of it and without torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from xaikit.errors import declared, is_truth
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
    traits: Collection[str] | None = declared(cls, "traits", None, _are_names, "names of traits")
    return None if traits is None else frozenset(traits)


def draws_of(method: object) -> bool:
    """Whether the options of a method make it draw, although its class is deterministic. Raises PluginContract."""
    return declared(method, "draws", False, is_truth, "True or False")


def is_drawn(cls: type, options: Mapping[str, Any]) -> bool:
    """Whether the seed matters to a method with these options. Raises PluginContract."""
    if "deterministic" not in (traits_of(cls) or ()):
        return True
    return hasattr(cls, "draws") and draws_of(cls(**options))


def suites_of(cls: type) -> frozenset[str]:
    """The words of ``metrics`` that a metric is part of. Raises PluginContract where they are no names."""
    suites: Collection[str] = declared(cls, "suites", (), _are_names, "names of suites")
    return frozenset(suites)


def is_control(cls: type) -> bool:
    """Whether a method is there to be beaten: it is judged beside others. Raises PluginContract."""
    return declared(cls, "control", False, is_truth, "True or False")


def _are_names(value: Any) -> bool:
    return not isinstance(value, str) and isinstance(value, Collection) and all(isinstance(one, str) for one in value)


def paper_of(cls: type) -> Mapping[str, Any]:
    """The finish that a method's paper asks for, stage to choice; empty where it declares none.

    Raises:
        PluginContract: it is no mapping.
    """
    return declared(cls, "paper", {}, lambda paper: isinstance(paper, Mapping), "a mapping from stages to choices")
