"""Plain values: read as a type says, told apart, and what to say where one does not fit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import pydantic_core
from pydantic import TypeAdapter, ValidationError

from xaikit.errors import nearest
from xaikit.plain.faults import Path, shown


def read(adapter: TypeAdapter[Any], value: Any) -> Any:
    """The value as a type says; text is read as a number where one is expected (environment variables are text).

    Raises:
        pydantic.ValidationError: it does not fit; a boolean never fits a number or a string.
    """
    return adapter.validate_json(pydantic_core.to_json(value), strict=_has_boolean(value) or None)


def _has_boolean(value: Any) -> bool:
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return isinstance(value, bool) or any(_has_boolean(child) for child in children)


def is_usable(value: Any) -> bool:
    """Whether all numbers in a value are finite and fit in 64 bits: no torch, no JSON and no table takes others.

    >>> is_usable([1, {"a": 2.5}]), is_usable([float("nan")]), is_usable({"a": 2**63})
    (True, False, False)
    """
    if isinstance(value, Mapping):
        return all(map(is_usable, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_usable, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def spelling(value: Any) -> str:
    """One text for values that are the same: keys in any order, 1 and 1.0.

    >>> spelling({"b": 1.0, "a": [True]}) == spelling({"a": [True], "b": 1})
    True
    """
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _whole(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(child) for child in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"(?:{_NUMBER} *h)? *(?:{_NUMBER} *(?:min|m))? *(?:{_NUMBER} *s)?")
_SECONDS = (3600.0, 60.0, 1.0)


def seconds(value: Any) -> float:
    """A duration in seconds; raises ValueError for what is none.

    >>> seconds("20min"), seconds("1h30m"), seconds("1.5s"), seconds(90)
    (1200.0, 5400.0, 1.5, 90.0)
    """
    duration = _seconds(value)
    if duration is None or not 0 < duration < math.inf:
        raise ValueError(f"expected a duration such as 20min, 90s or 1h30m, got {shown(value)}")
    return duration


def _seconds(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(_NUMBER, text):  # environment variables are text
        return float(text)
    match = _DURATION.fullmatch(text) if text else None
    return sum(float(part or 0) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True)) if match else None


_EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "an integer"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "string_type": "a string",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "dict_type": "a mapping",
    "none_required": "null",
    "missing": "a value there",
}


def complaints(error: ValidationError, value: Any) -> list[tuple[Path, Any, str]]:
    """Where in a list, which value does not fit, and why; the branches of a union make one complaint."""
    errors = error.errors()
    # a list whose elements do not fit is also called too short
    errors = [problem for problem in errors if problem["type"] != "too_short" or len(errors) == 1]
    problems = [(tuple(part for part in problem["loc"] if isinstance(part, int)), problem) for problem in errors]
    if all(place == problem["loc"] for place, problem in problems):
        return [(place, problem["input"], _complaint(problem)) for place, problem in problems]
    kinds = dict.fromkeys(
        _expected(problem) + "".join(f" at [{index}]" for index in place) for place, problem in problems
    )
    return [((), value, f"expected {' or '.join(kinds)}, got {shown(value)}")]


def _complaint(problem: Any) -> str:
    text = str(problem["msg"]).removeprefix("Value error, ")
    if text.startswith("expected "):  # a check that says all by itself
        return text
    only = "only " if problem["type"] == "missing" else ""
    return f"expected {_expected(problem)}, got {only}{shown(problem['input'])}{_hint(problem)}"


def _expected(problem: Any) -> str:
    if problem["type"] in _EXPECTED:
        return _EXPECTED[problem["type"]].format(**problem.get("ctx", {}))
    return str(problem["msg"]).replace("Input should be ", "").removeprefix("Value error, ")


def _hint(problem: Any) -> str:
    """The nearest of the words that are allowed."""
    if problem["type"] != "literal_error" or not isinstance(problem["input"], str):
        return ""
    words = re.split(", | or ", problem["ctx"]["expected"].replace("'", ""))
    return f"; {nearest(problem['input'], words)}"
