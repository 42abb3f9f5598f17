"""What a person calls a file."""

from __future__ import annotations

import os

import pytest

from xaikit.plain.paths import file_name, short_names


def test_names_are_as_short_as_tells_them_apart() -> None:
    names = ["a/cat/1.jpg", "b/cat/1.jpg", "b/dog/1.jpg", "1.jpg", "b/dog/2.jpg"]
    assert list(short_names(names).values()) == ["a/cat/1.jpg", "b/cat/1.jpg", "dog/1.jpg", "1.jpg", "2.jpg"]
    assert short_names([]) == {}


def test_a_backslash_divides_where_the_system_has_it_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sep", "/")
    assert file_name("photos/back\\slash.jpg") == "back\\slash.jpg"
    monkeypatch.setattr(os, "sep", "\\")
    assert file_name("photos\\cat\\1.jpg") == "1.jpg"
    assert set(short_names(["p\\cat\\1.jpg", "p/dog/1.jpg"]).values()) == {"cat/1.jpg", "dog/1.jpg"}
