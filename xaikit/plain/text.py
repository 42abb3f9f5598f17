"""Values as YAML text: read as OmegaConf reads them, and written on one line."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import yaml

from xaikit.errors import ConfigError
from xaikit.plain.bounds import TooLarge, check_bounds

_JOINERS = "\u200c\u200d"  # that some scripts cannot be written without


def escaped(text: str, kept: str = "") -> str:
    """Text that does nothing to a terminal: controls, surrogates and what turns the direction of writing are written as escapes.

    Args:
        kept: those that stay, such as a line break.

    >>> escaped("a\\x1b[31m\\u202eb\\n"), escaped("a\\nb", kept="\\n")
    ('a\\\\x1b[31m\\\\u202eb\\\\n', 'a\\nb')
    """
    if text.isprintable():
        return text
    letters = ((char, unicodedata.category(char) in _UNSEEN and char not in _JOINERS + kept) for char in text)
    return "".join(char.encode("unicode_escape").decode() if unseen else char for char, unseen in letters)


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class YamlLoader(yaml.SafeLoader):
    """YAML as OmegaConf reads it: 1e3 is a number and a date is a string."""


YamlLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":float"))]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]?\d+)?|\.(inf|Inf|INF))$
        |\.(nan|NaN|NAN)$""",
        re.VERBOSE,
    ),
    list("-+0123456789."),
)


def read_value(text: str) -> Any:
    """One value as YAML; raises yaml.YAMLError."""
    return yaml.load(text, YamlLoader)


def typed_value(text: str, where: str) -> Any:
    """One value that somebody typed, as YAML. Raises ConfigError, which says ``where``.

    >>> typed_value("[1, 1e-3, word]", "--option")
    [1, 0.001, 'word']
    """
    try:
        check_bounds(text)
        return read_value(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: {problem_of(error, 'the value is')}, in {text[:80]!r}") from error


def problem_of(error: yaml.YAMLError, subject: str = "") -> str:
    """What is wrong with a text that cannot be read; ``subject`` such as "the value is"."""
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or error
    return str(problem) if isinstance(error, TooLarge) else f"{subject} not valid YAML: {problem}".lstrip()


def flow(value: Any) -> str:
    """The value in YAML's flow style; a plugin without options is its name.

    >>> flow(["a", "b.1"]), flow({"use": "tanh"}), flow({"use": "logit", "index": 3}), flow(None), flow("yes")
    ('[a, b.1]', 'tanh', '{use: logit, index: 3}', 'null', "'yes'")
    """
    if type(value) is int:  # axes of a thousand seeds; PyYAML takes a tenth of a millisecond each
        return str(value)
    if isinstance(value, Mapping) and list(value) == ["use"] and isinstance(value["use"], str):
        value = value["use"]
    # PyYAML leaves 1e3 unquoted, which a reader of YAML 1.2 takes for a number, and breaks lines at those of a string
    for text in (_dumped(value), json.dumps(value)):
        if "\n" not in text and read_value(text) == value:
            return text
    return _dumped(value, '"')


def _dumped(value: Any, style: str | None = None) -> str:
    text: str = yaml.safe_dump(
        value,
        default_flow_style=True,
        default_style=style,
        width=1_000_000,
        allow_unicode=style is None,
        sort_keys=False,
    )
    return text.removesuffix("...\n").strip()


def duration(seconds: float) -> str:
    """Seconds in a unit that a person reads.

    >>> duration(8.4), duration(100), duration(7200)
    ('8 s', '2 min', '2.0 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
