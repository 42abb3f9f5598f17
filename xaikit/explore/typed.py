"""What somebody may type into the page: names, numbers, what is installed; no code and no file that the config does not name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xaikit.config.arguments import read_target, typed_target
from xaikit.errors import ConfigError, PluginError, nearest
from xaikit.plain.options import Located
from xaikit.registry import Registry
from xaikit.schema.keys import Use, keys_of


def check_words(words: Mapping[str, Iterable[str]]) -> None:
    """Refuse words, by their key, that would look up something else in the config or the environment. Raises ConfigError."""
    for key, each in words.items():
        for word in each:
            if "${" in word:
                raise ConfigError(f"{key}: expected it without an interpolation, got {word[:80]!r}")


def check_labels(labels: Sequence[str], offered: Collection[str]) -> None:
    """Refuse methods that the page does not offer. Raises ConfigError."""
    for label in labels:
        if label not in offered:
            raise ConfigError(f"methods.{label}: no method {label!r}; {nearest(label, offered)}")


def asked_target(text: str, classes: Collection[str], stated: Collection[Use], registry: Registry, base: Path) -> Any:
    """A target that somebody typed: a class, a target that is installed, or one of those that the config states.

    Args:
        classes: names of the model's classes, where they are known.
        stated: targets of the config.
        registry: that has read the config.
        base: the folder of the config.

    Raises:
        ConfigError: it is no target; or it names a file, module or function that the config does not.
    """
    value = typed_target(text, "target", classes)
    check_words({"target": [text]})
    word = value.get("use") if isinstance(value, Mapping) else value
    installed = registry.without_paths()
    if isinstance(word, str) and ":" in word:
        try:
            installed.find("target", word, base)
        except PluginError as error:
            raise ConfigError(f"target: expected a class or an installed target, got {word!r}: {_REFUSED}") from error
    use = read_target(value, installed, base)
    if use in stated:
        return value
    for option, key in keys_of(registry.find("target", use.use, base).cls).items():
        is_default = key.default is not None and use.options.get(option) == key.default()
        if (
            key.located is not None
            and not is_default
            and _names_code_or_file(key.located, use.options.get(option), base)
        ):
            raise ConfigError(f"target: {option} of {use.use} names a file, module or function: {_REFUSED}")
    return value


_REFUSED = "this page runs no code and reads no file but what its config names; write the target into the config"


def _names_code_or_file(located: Located, value: Any, base: Path) -> bool:
    if isinstance(value, str):
        # of what may be something else as well, a plain word is a word of the option
        return not re.fullmatch(r"[\w-]+", value) or located.is_file(value, base)
    if isinstance(value, Mapping):
        return any(_names_code_or_file(located, part, base) for part in value.values())
    return isinstance(value, list | tuple) and any(_names_code_or_file(located, part, base) for part in value)
