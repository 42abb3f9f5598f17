"""Every kind of plugin has one hook, and every hook is documented with its group."""

from __future__ import annotations

import inspect

import pluggy
import pytest

from xaikit import hookimpl, hookspecs
from xaikit.registry import KINDS

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("xaikit_")}


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
