"""The checks of every kind of plugin, by its name, its file or its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from xaikit.registry import Registry
from xaikit.testing.checks import Check, Work, named
from xaikit.testing.finishers import CHECKS as OF_FINISHERS
from xaikit.testing.layouts import CHECKS as OF_LAYOUTS
from xaikit.testing.methods import CHECKS as OF_METHODS
from xaikit.testing.metrics import CHECKS as OF_METRICS
from xaikit.testing.observers import CHECKS as OF_OBSERVERS
from xaikit.testing.reference import Reference, equals_its_reference
from xaikit.testing.sources import CHECKS as OF_SOURCES
from xaikit.testing.subjects import Subject
from xaikit.testing.targets import CHECKS as OF_TARGETS
from xaikit.testing.traits import TRAITS, trait_holds

Examples = Sequence[Mapping[str, Any]]

WORKS: dict[str, dict[str, Work]] = {
    "method": {**named(OF_METHODS), **{f"trait_{name}": trait_holds(name) for name in TRAITS}},
    "metric": named(OF_METRICS),
    "target": named(OF_TARGETS),
    "layout": named(OF_LAYOUTS),
    "observer": named(OF_OBSERVERS),
    **{kind: named(works) for kind, works in {**OF_FINISHERS, **OF_SOURCES}.items()},
}
KINDS_CHECKED = tuple(WORKS)


def method_checks(method: str | type, reference: Reference | None = None, examples: Examples = ()) -> list[Check]:
    """The contract of a method, as independent checks.

    Args:
        method: an entry point, ``./mycam.py``, ``./mycam.py:MyCam``, ``package.module:Class``, or the class.
        reference: its formula restated slowly; what the paper says, which no other check can know.
        examples: options to check it with as well, beside those of the class's own ``examples``.
    """
    formula = {} if reference is None else {"equals_its_reference": equals_its_reference(reference)}
    return _checks("method", method, {**WORKS["method"], **formula}, examples)


def metric_checks(metric: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a metric, on photographs of which it is known where the evidence is."""
    return checks_of("metric", metric, examples)


def target_checks(target: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a target."""
    return checks_of("target", target, examples)


def finisher_checks(kind: str, finisher: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a stage of the finish: kind is rectifier, normalizer, scaler, resizer or fuser."""
    return checks_of(kind, finisher, examples)


def source_checks(kind: str, source: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a source: kind is model or data. Options without a default come from ``examples``."""
    return checks_of(kind, source, examples)


def layout_checks(layout: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a layout."""
    return checks_of("layout", layout, examples)


def observer_checks(observer: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of an observer."""
    return checks_of("observer", observer, examples)


def checks_of(kind: str, plugin: str | type, examples: Examples = ()) -> list[Check]:
    """The contract of a plugin of any kind of :data:`KINDS_CHECKED`."""
    return _checks(kind, plugin, WORKS[kind], examples)


def _checks(kind: str, plugin: str | type, works: Mapping[str, Work], examples: Examples) -> list[Check]:
    subject = Subject(kind, plugin, Registry(), tuple(examples))
    option = "" if kind == "method" else f" --kind {kind}"
    command = f"xaikit check {subject.name}{option} --only"
    return [Check(name, f"{command} {name}", partial(work, subject)) for name, work in works.items()]
