"""Every kind of plugin has one hook, and every hook is documented with its group."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest

from xaikit import PluginContract, hookimpl, hookspecs
from xaikit.registry import KINDS, Registry

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("xaikit_")}


def module(**members: Any) -> ModuleType:
    made = ModuleType("acme")
    vars(made).update(members)
    return made


@pytest.mark.parametrize("version", [hookspecs.API, "1.7", 1, None])
def test_a_plugin_of_this_major_version_is_taken_and_one_that_says_nothing_too(version: Any) -> None:
    members = {} if version is None else {"xaikit_api": version}
    returned = hookspecs.returned_by(
        module(xaikit_method=hookimpl(lambda: int), **members), "xaikit_method", "method 'acme'"
    )
    assert returned is int


@pytest.mark.parametrize("version", ["2.0", 2, "0.9"])
def test_one_of_another_major_version_is_refused_with_what_to_do(version: Any) -> None:
    built = module(xaikit_method=hookimpl(lambda: int), xaikit_api=version)
    with pytest.raises(PluginContract) as caught:
        hookspecs.returned_by(built, "xaikit_method", "method 'acme' (acme.cam, from acme 3.1)")
    assert str(caught.value) == (
        f"method 'acme' (acme.cam, from acme 3.1) was built for version {version} of xaikit's hooks, expected 1.0: "
        f"update the plugin, or install an xaikit that has {version}"
    )


def test_a_file_of_another_major_version_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "mycam.py").write_text("xaikit_api = 2\nclass MyCam: ...\n")
    with pytest.raises(PluginContract, match=r"method './mycam.py:MyCam' was built for version 2 of xaikit's hooks"):
        Registry().find("method", "./mycam.py:MyCam", tmp_path)


def test_there_is_one_hook_a_kind() -> None:
    assert set(HOOKS) == {kind.hook for kind in KINDS.values()}
    assert all(kind.hook == f"xaikit_{name}" for name, kind in KINDS.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_names_its_group_and_every_member_it_asks_for(kind: str) -> None:
    documented = str(HOOKS[KINDS[kind].hook].__doc__)
    assert f"``{KINDS[kind].group}``" in documented
    assert all(member in documented for member in KINDS[kind].members)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_takes_nothing_and_its_first_answer_counts(name: str) -> None:
    assert inspect.signature(HOOKS[name]).parameters == {}
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    assert getattr(manager.hook, name).spec.opts["firstresult"] is True


def test_the_marker_that_plugins_use_is_the_projects() -> None:
    assert hookimpl is hookspecs.hookimpl
    assert hookimpl.project_name == hookspecs.hookspec.project_name == "xaikit"
