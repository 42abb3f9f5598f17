"""The checks of every kind of plugin, by its name, its file or its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xaikit.registry import Registry
from xaikit.testing.checks import Check
from xaikit.testing.finishers import CHECKS as OF_FINISHERS
from xaikit.testing.layouts import CHECKS as OF_LAYOUTS
from xaikit.testing.methods import CHECKS as OF_METHODS
from xaikit.testing.reference import Reference, equals_its_reference
from xaikit.testing.sources import CHECKS as OF_SOURCES
from xaikit.testing.subjects import Subject
from xaikit.testing.targets import CHECKS as OF_TARGETS
from xaikit.testing.traits import TRAITS, trait_holds, traits_are_known

Work = Callable[[Subject], None]


Examples = Sequence[Mapping[str, Any]]


def method_checks(method: str | type, reference: Reference | None = None, examples: Examples = ()) -> list[Check]:
    """The contract of a method, as independent checks.

    Args:
        method: an entry point, ``./mycam.py``, ``./mycam.py:MyCam``, ``package.module:Class``, or the class.
        reference: its formula restated slowly; what the paper says, which no other check can know.
        examples: options to check it with as well, beside those of the class's own ``examples``.
    """
    works = _named(OF_METHODS)
    works["traits_are_known"] = traits_are_known
    works |= {f"trait_{name}": trait_holds(name) for name in TRAITS}
    if reference is not None:
        works["equals_its_reference"] = equals_its_reference(reference)
    return _checks("method", method, works, examples)


def target_checks(target: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a target."""
    return _checks("target", target, _named(OF_TARGETS), examples)


def finisher_checks(kind: str, finisher: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a stage of the finish: kind is rectifier, normalizer, scaler, resizer or fuser."""
    return _checks(kind, finisher, _named(OF_FINISHERS[kind]), examples)


def source_checks(kind: str, source: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a source: kind is model or data. Options without a default come from ``examples``."""
    return _checks(kind, source, _named(OF_SOURCES[kind]), examples)


def layout_checks(layout: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a layout."""
    return _checks("layout", layout, _named(OF_LAYOUTS), examples)


def checks_of(kind: str, plugin: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a plugin of any kind of :data:`KINDS_CHECKED`."""
    if kind == "method":
        return method_checks(plugin, examples=examples)
    if kind == "target":
        return target_checks(plugin, examples)
    if kind == "layout":
        return layout_checks(plugin, examples)
    return (finisher_checks if kind in OF_FINISHERS else source_checks)(kind, plugin, examples)


KINDS_CHECKED = ("method", "target", "layout", *OF_FINISHERS, *OF_SOURCES)


def _named(works: Sequence[Work]) -> dict[str, Work]:
    return {work.__name__: work for work in works}


def _checks(kind: str, plugin: str | type, works: Mapping[str, Work], examples: Examples) -> list[Check]:
    subject = Subject(kind, plugin, Registry(), tuple(examples))
    option = "" if kind == "method" else f" --kind {kind}"

    def bound(work: Work) -> Callable[[], None]:
        return lambda: work(subject)

    return [
        Check(name, f"xaikit check {subject.name}{option} --only {name}", bound(work)) for name, work in works.items()
    ]
