"""What the class of a metric says of itself, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any


def declared(cls: Any) -> Iterator[str]:
    """What the class of a metric declares, a line each."""
    for member in ("equation", "citation", "family"):
        if hasattr(cls, member):
            yield f"{member}: {default_of(cls, member)}"
    yield f"reads: {default_of(cls, 'reads')}"
    yield f"better: {better_of(cls)}, of {range_of(cls)}"
    chance = getattr(cls, "chance", None)
    if chance is not None:
        yield f"chance: {chance:g}" if isinstance(chance, int | float) else "chance: of each case"
    needs = [item.name for item in fields(cls.needs) if getattr(cls.needs, item.name)]
    yield f"needs: {', '.join(['maps', *needs])}"
    yield f"costs: {costs_of(cls)}"
    if suites := getattr(cls, "suites", ()):
        yield f"suites: {', '.join(sorted(suites, reverse=True))}"
    if why := getattr(cls, "no_oracle", ""):
        yield f"does not rank the truth above noise: {why}"


def default_of(cls: Any, name: str) -> str:
    """A member of the class, where it does not depend on options."""
    value = getattr(cls, name, None)
    return value if isinstance(value, str) else "of its options"


def better_of(cls: Any) -> str:
    """Which way a metric points."""
    if not isinstance(cls.higher_is_better, bool):
        return "of its options"
    return "higher" if cls.higher_is_better else "lower"


def range_of(cls: Any) -> str:
    """With the default options."""
    stated = cls.range if isinstance(cls.range, tuple) else getattr(_made(cls), "range", None)
    return " to ".join(f"{end:g}" for end in stated) if isinstance(stated, tuple) else "what its options say"


def costs_of(cls: Any) -> str:
    """With the default options."""
    made = _made(cls)
    if made is None:
        return "of its options"
    counts = {"score": getattr(made, "further", 0), "explanation": getattr(made, "explanations", 0)}
    return ", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in counts.items() if count) or "nothing"


def _made(cls: Any) -> Any:
    """With the default options; None where there are options that have none."""
    try:
        return cls()
    except TypeError:
        return None
