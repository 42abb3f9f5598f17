"""Configs that are made to be too much: each is refused in a moment, before anything is built of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xaikit.config import load
from xaikit.errors import ConfigError
from xaikit.plain.bounds import DEEPEST, MOST_ALIASED, MOST_BYTES, MOST_ITEMS, TooLarge, check_bounds

Refused = Callable[..., str]


@pytest.fixture
def refused(write: Any, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """What is said of a config; nothing may have been composed of it."""

    def say(text: str, overrides: tuple[str, ...] = ()) -> str:
        with pytest.raises(ConfigError) as error:
            load(write(text), overrides)
        return str(error.value)

    return say


def bomb(depth: int, width: int = 9, merge: bool = False) -> str:
    lines = [f"a0: &a0 {'{k: 1}' if merge else '[1]'}"]
    for level in range(1, depth + 1):
        aliases = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} {'{x: {<<: [' + aliases + ']}}' if merge else '[' + aliases + ']'}")
    return "\n".join(lines) + "\n"


HUGE = {
    "aliases": (bomb(6), f"expected at most {MOST_ALIASED} values repeated by aliases, got more"),
    "merge keys": (bomb(6, merge=True), "repeated by aliases"),
    "depth of lists": ("x: " + "[" * 300 + "]" * 300, f"expected at most {DEEPEST} values one inside the other"),
    "depth of mappings": ("x: " + "{a: " * 300 + "1" + "}" * 300, "one inside the other"),
    "depth without an end": ("x: " + "[" * 100_000, "one inside the other"),
    "depth by indentation": ("".join(f"{' ' * n}a:\n" for n in range(300)), "one inside the other"),
    "a long list": ("x: [" + "0," * 300_000 + "0]", f"expected at most {MOST_ITEMS} items in a list, got more"),
    "a long list of lines": ("x:\n" + "- 0\n" * 200_000, "items in a list"),
    "many keys": ("".join(f"k{n}: 0\n" for n in range(100_000)), "values, got more"),
    "a long string": ("x: " + "a" * 200_000, "characters in one string, got more"),
    "a long key": ("a" * 200_000 + ": 1", ""),
    "a long file": ("# " + "a" * MOST_BYTES + "\n", f"expected at most {MOST_BYTES} bytes, got more"),
    "strings of strings": (
        "s0: 0123456789\n" + "".join(f"s{n}: '${{s{n - 1}}}${{s{n - 1}}}'\n" for n in range(1, 60)),
        "expected interpolations that make at most",
    ),
    "lists of lists by name": (
        "s0: [1]\n"
        + "".join(f"s{n}: {{a: ['${{s{n - 1}}}', '${{s{n - 1}.a[0]}}', '${{.[0]}}']}}\n" for n in range(1, 60)),
        "interpolations",
    ),
    "strings of what cannot be told": (
        "k: s0\ns0: 0123456789\n"
        + "".join(f"s{n}: '${{oc.select:s{n - 1}}}${{oc.select:s{n - 1}}}'\n" for n in range(1, 60)),
        "expected interpolations that make at most",
    ),
    "many names": ("x:\n" + "- ${seed}\n" * 2_000, "strings with an interpolation, got more"),
    "names in names": ("x: '" + "${" * 3_000 + "'", "characters in a string with an interpolation"),
    "a chain of names": ("s0: 1\n" + "".join(f"s{n}: ${{s{n - 1}}}\n" for n in range(1, 400)), "interpolation"),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_file_that_is_too_much_is_refused_in_a_moment(refused: Refused, head: str, name: str) -> None:
    text, message = HUGE[name]
    began = time.process_time()
    said = refused(head + "methods: grad\n" + text)
    assert time.process_time() - began < 20  # of what would be minutes; a second as a rule
    assert message in said
    assert len(said) < 2_000


def test_the_place_of_it_is_named(refused: Refused, head: str) -> None:
    assert refused(head + "methods: grad\nx:\n  y: " + "[" * 300 + "]" * 300) == (
        f"c.yaml:5:{6 + DEEPEST - 2}: expected at most {DEEPEST} values one inside the other, got more"
    )


def test_an_override_that_is_too_much_is_refused(refused: Refused, head: str) -> None:
    for value in ("[" * 300 + "]" * 300, "[" + "0," * 300_000 + "0]", "a" * 100_000):
        assert "expected at most" in refused(head + "methods: grad\n", (f"layers={value}",))
    assert "expected a key such as a.b" in refused(head + "methods: grad\n", (".".join("a" * 300) + "=1",))


def test_files_that_extend_each_other_without_an_end_are_refused(tmp_path: Path) -> None:
    for number in range(1500):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    with pytest.raises(ConfigError, match="expected at most 64 files that extend each other, got more"):
        load(tmp_path / "0.yaml")
    for level in range(6):
        (tmp_path / f"wide{level}.yaml").write_text(f"extends: [{', '.join([f'wide{level + 1}.yaml'] * 9)}]\n")
    (tmp_path / "wide6.yaml").write_text("seed: 1\n")
    with pytest.raises(ConfigError, match="expected at most 64 files that extend each other, got more"):
        load(tmp_path / "wide0.yaml")


@pytest.mark.parametrize("fast", [True, False])
def test_what_a_config_may_be_is_counted_by_either_parser(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast:
        monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    check_bounds("a: &a [1, 2]\nb: [*a, *a]\nc: [" + ", ".join(map(str, range(1000))) + "]\n" + "[" * (DEEPEST - 1))
    check_bounds("not: [valid")
    with pytest.raises(TooLarge):
        check_bounds(bomb(6))
