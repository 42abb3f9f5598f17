"""Whether what a metric declares is of its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xaikit.errors import PluginContract, is_truth
from xaikit.metric import Metric, MetricNeeds, explanations_of, further_of, reads_of
from xaikit.plain.faults import shown
from xaikit.registry.declarations import suites_of


def check_declared(metric: Metric) -> None:
    """``range`` is two numbers, ``higher_is_better`` a truth, ``chance`` a number or a function, ``no_oracle`` a sentence, and
    costs are counts.

    Raises:
        PluginContract: one of them is something else.
    """
    suites_of(type(metric))
    for member in (reads_of, further_of, explanations_of):
        member(metric)
    for name, (holds, expected) in _DECLARED.items():
        value = getattr(metric, name, None)
        if not holds(value):
            raise PluginContract(f"{name}: expected {expected}, got {shown(value)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(map(_is_number, value))
        and bool(value[0] < value[1])
    )


def _is_sentence(value: Any) -> bool:
    return not value or (isinstance(value, str) and len(value.split()) > 3)


_DECLARED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "needs": (lambda needs: isinstance(needs, MetricNeeds), "MetricNeeds(...)"),
    "higher_is_better": (is_truth, "True or False"),
    "range": (_is_range, "the lowest and the highest value, two numbers"),
    "chance": (lambda chance: chance is None or callable(chance) or _is_number(chance), "a number or chance(view)"),
    "no_oracle": (_is_sentence, "a sentence that says why"),
}
