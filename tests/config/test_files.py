from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xaikit import ConfigError
from xaikit.config import load
from xaikit.plain.text import read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2.5e-3", -0.0025),
        (".inf", float("inf")),
        ("1_000.5", 1000.5),
        ("12", 12),
        ("1.jpg", "1.jpg"),
        ("0.1.conv", "0.1.conv"),
        ("1.2.3", "1.2.3"),
        ("._", "._"),
        (".", "."),
        ("2020-01-01", "2020-01-01"),
        ("1e3x", "1e3x"),
        ("on", True),
        ("~", None),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    assert read_value(text) == value


def test_not_a_number() -> None:
    value = read_value(".nan")
    assert value != value


def test_keys_are_names_whatever_they_look_like(write: Any, faults: Any, head: str) -> None:
    first, second = faults(write(head + "methods: grad\non: 1\n12: 3\n"))
    assert first.startswith("c.yaml:4:1: on: unknown key; ")
    assert second.startswith("c.yaml:5:1: 12: unknown key; ")


def test_duplicate_keys_are_named_with_all_else(write: Any, faults: Any, head: str) -> None:
    assert faults(write(head + "methods:\n  smooth: {n: 1, n: 2}\n  smooth: {n: x}\nsed: 1\n")) == (
        "c.yaml:4:18: methods.smooth.n: stands twice; first on line 4",
        "c.yaml:5:3: methods.smooth: stands twice; first on line 4",
        "c.yaml:6:1: sed: unknown key; did you mean 'seed'?",
    )


def test_merge_keys_are_no_duplicates(write: Any, head: str) -> None:
    from helpers.fake_plugins import fake_registry

    text = "methods:\n  smooth: &base {n: 8, std: 2}\n  more: {<<: *base, use: smooth, n: 9}\n"
    config = load(write(head + text), registry=fake_registry())
    assert (config.methods["more"].options["n"], config.methods["more"].options["std"]) == (9, 2.0)


def test_a_file_that_is_no_yaml(write: Any, faults: Any) -> None:
    lines = faults(write("model: {source: zoo\ndata: [\n"))
    assert lines[0].startswith("c.yaml:2:5: not valid YAML: ")
    assert len(lines) == 1


def test_a_value_that_contains_itself(write: Any, faults: Any) -> None:
    assert faults(write("methods: &a {b: *a}\n"))[0].startswith("c.yaml:1:")


@pytest.mark.parametrize(("text", "what"), [("- a\n", "['a']"), ("just words\n", "'just words'")])
def test_a_file_that_is_no_mapping(write: Any, faults: Any, text: str, what: str) -> None:
    assert faults(write(text)) == (f"c.yaml: expected a mapping of keys, got {what}",)


def test_bytes_that_are_no_text(write: Any, faults: Any) -> None:
    file = write("")
    file.write_bytes(b"\xff\xfe\x00a")
    assert faults(file)[0].startswith("c.yaml: cannot be read: 'utf-8' codec")


def test_an_empty_file_misses_three_keys(write: Any, faults: Any) -> None:
    assert faults(write("")) == (
        "c.yaml: model: missing: a config says model, data and methods",
        "c.yaml: data: missing: a config says model, data and methods",
        "c.yaml: methods: missing: a config says model, data and methods",
    )


def test_what_is_no_config() -> None:
    for source in (None, 3):
        with pytest.raises(
            ConfigError, match=f"expected a YAML file, a mapping or a Config, got {type(source).__name__}"
        ):
            load(source)  # type: ignore[arg-type]


def test_no_such_file(write: Any, faults: Any) -> None:
    write("", "quickstart.yaml")
    assert faults(Path("quikstart.yaml")) == (
        "config: there is no file quikstart.yaml; did you mean 'quickstart.yaml'?",
    )


def test_files_extend_what_is_there(write: Any, faults: Any, head: str) -> None:
    write("", "base.yaml")
    assert faults(write(head + "methods: grad\nextends: bse.yaml\n")) == (
        "c.yaml:4:1: extends: there is no file bse.yaml; did you mean 'base.yaml' or 'c.yaml'?",
    )
    assert faults(write(head + "methods: grad\nextends: {a: b}\n")) == (
        "c.yaml:4:1: extends: expected a file or a list of files, got {'a': 'b'}",
    )


def test_files_do_not_extend_each_other_in_a_circle(write: Any, faults: Any, head: str) -> None:
    write("extends: ../c.yaml\n", "sub/base.yaml")
    assert faults(write(head + "methods: grad\nextends: sub/base.yaml\n")) == (
        "sub/base.yaml:1:1: extends: the files extend each other in a circle: c.yaml -> sub/base.yaml -> c.yaml",
    )


def test_faults_of_all_files_come_together(write: Any, faults: Any, head: str) -> None:
    write(head + "methods: grad\nsed: 1\n", "base.yaml")
    assert faults(write("extends: base.yaml\nlayrs: a\n"), ["devcie=cpu"]) == (
        "base.yaml:4:1: sed: unknown key; did you mean 'seed'?",
        "c.yaml:2:1: layrs: unknown key; did you mean 'layers'?",
        "override 'devcie=cpu': devcie: unknown key; did you mean 'device'?",
    )
