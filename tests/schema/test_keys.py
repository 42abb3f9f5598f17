"""The table of keys is the schema; what stands below it in the layers agrees with it."""

from __future__ import annotations

from typing import Any

import pytest

from xaikit.registry.kinds import KINDS
from xaikit.schema.keys import keys_of
from xaikit.schema.sections import DataConfig, MethodConfig, ModelConfig, is_fixed, key_at


@pytest.mark.parametrize(
    ("kind", "section", "name"),
    [("method", MethodConfig, "use"), ("model", ModelConfig, "source"), ("data", DataConfig, "source")],
)
def test_options_of_plugins_are_told_from_the_keys_beside_them(kind: str, section: Any, name: str) -> None:
    assert KINDS[kind].reserved == {name, *keys_of(section)}


def test_a_key_is_found_by_its_path() -> None:
    target = key_at(("methods", "any", "target"))
    assert target is not None
    assert target.plugin is not None
    assert (target.plugin.kind, target.optional) == ("target", True)
    for path in ((), ("methods", "any"), ("model", "source"), ("origins",), ("finish", "no"), ("target", "use")):
        assert key_at(path) is None


@pytest.mark.parametrize(
    ("key", "fixed"),
    [("device", True), ("report.maps", True), ("data.workers", True), ("data.path", False), ("seed", False)],
)
def test_what_maps_do_not_depend_on(key: str, fixed: bool) -> None:
    assert is_fixed(tuple(key.split("."))) is fixed
