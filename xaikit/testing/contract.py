"""The checks of every kind of plugin, by its name, its file or its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xaikit.registry import Registry
from xaikit.testing.checks import Check
from xaikit.testing.finishers import CHECKS as OF_FINISHERS
from xaikit.testing.methods import CHECKS as OF_METHODS
from xaikit.testing.reference import Reference, equals_its_reference
from xaikit.testing.sources import CHECKS as OF_SOURCES
from xaikit.testing.subjects import Subject
from xaikit.testing.targets import CHECKS as OF_TARGETS
from xaikit.testing.traits import TRAITS, trait_holds, traits_are_known

Work = Callable[[Subject], None]


def method_checks(method: str | type, reference: Reference | None = None) -> list[Check]:
    """The contract of a method, as independent checks.

    Args:
        method: an entry point, ``./mycam.py``, ``./mycam.py:MyCam``, ``package.module:Class``, or the class.
        reference: its formula restated slowly; what the paper says, which no other check can know.
    """
    works: dict[str, Work] = {work.__name__: work for work in OF_METHODS}
    works["traits_are_known"] = traits_are_known
    works |= {f"trait_{name}": trait_holds(name) for name in TRAITS}
    if reference is not None:
        works["equals_its_reference"] = equals_its_reference(reference)
    return _checks("method", method, works)


def target_checks(target: str | type) -> list[Check]:
    """The contract of a target."""
    return _checks("target", target, {work.__name__: work for work in OF_TARGETS})


def finisher_checks(kind: str, finisher: str | type) -> list[Check]:
    """The contract of a stage of the finish: kind is rectifier, normalizer, scaler, resizer or fuser."""
    return _checks(kind, finisher, {work.__name__: work for work in OF_FINISHERS[kind]})


def source_checks(kind: str, source: str | type) -> list[Check]:
    """The contract of a source: kind is model or data. Options without a default come from its ``examples``."""
    return _checks(kind, source, {work.__name__: work for work in OF_SOURCES[kind]})


def checks_of(kind: str, plugin: str | type) -> list[Check]:
    """The contract of a plugin of any kind."""
    if kind == "method":
        return method_checks(plugin)
    if kind == "target":
        return target_checks(plugin)
    return finisher_checks(kind, plugin) if kind in OF_FINISHERS else source_checks(kind, plugin)


KINDS_CHECKED = ("method", "target", *OF_FINISHERS, *OF_SOURCES)


def _checks(kind: str, plugin: str | type, works: Mapping[str, Work]) -> list[Check]:
    subject = Subject(kind, plugin, Registry())
    option = "" if kind == "method" else f" --kind {kind}"

    def bound(work: Work) -> Callable[[], None]:
        return lambda: work(subject)

    return [
        Check(name, f"xaikit check {subject.name}{option} --only {name}", bound(work)) for name, work in works.items()
    ]
