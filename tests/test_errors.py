"""One tree of errors, and what is said after an unknown name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.nets import PROPERTY
from xaikit import errors
from xaikit.errors import ConfigError, PluginError, XaikitError, nearest


def _tree(cls: type, depth: int = 0) -> list[tuple[int, str]]:
    # others are known to the module alone that raises and catches them
    children = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [(depth, cls.__name__), *(line for child in children for line in _tree(child, depth + 1))]


def test_the_tree_is_the_one_drawn_in_the_docstring() -> None:
    drawn = re.findall(r"^([│├└─ ]*)(\w+)(?:  |$)", str(errors.__doc__).split("\n\n")[1], flags=re.MULTILINE)
    assert [(len(indent) // 4, name) for indent, name in drawn] == _tree(XaikitError)


def test_plugin_errors_are_caught_together() -> None:
    assert {child.__name__ for child in PluginError.__subclasses__()} == {
        "UnknownPlugin",
        "PluginConflict",
        "PluginContract",
    }


@pytest.mark.parametrize(
    ("given_", "problems"), [("one", ("one",)), (["a.yaml:1:2: x", "y"], ("a.yaml:1:2: x", "y")), ((), ())]
)
def test_a_config_error_holds_one_line_a_fault(given_: str | list[str], problems: tuple[str, ...]) -> None:
    error = ConfigError(given_)
    assert error.problems == problems
    assert str(error) == "\n".join(problems)


@pytest.mark.parametrize(
    ("name", "existing", "message"),
    [
        ("layr4", ["conv1", "layer4"], "did you mean 'layer4'?"),
        ("layercm", ["layercam", "gradcam"], "did you mean 'layercam'?"),
        ("GradCAM", ["gradcam", "xyz"], "did you mean 'gradcam'?"),
        ("GRADCAM", ["GradCam"], "did you mean 'GradCam'?"),
        ("zzz", ["b", "a"], "known: a, b"),
        ("zzz", [], "there are none"),
        ("", ["a"], "known: a"),
    ],
)
def test_the_nearest_name_or_what_there_is(name: str, existing: list[str], message: str) -> None:
    assert nearest(name, existing) == message


def test_a_long_list_is_cut_and_says_so() -> None:
    assert nearest("zzz", [f"n{place:02}" for place in range(12)]).endswith("n10, n11")
    assert nearest("zzz", [f"n{place:02}" for place in range(13)]).endswith("n10, n11 ...")


@PROPERTY
@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="'"), min_size=1, max_size=8), min_size=1))
def test_what_is_suggested_is_always_a_known_name(names: list[str]) -> None:
    suggested = re.findall("'([^']*)'", nearest(names[0].upper(), names))
    assert suggested
    assert {name.casefold() for name in suggested} <= {name.casefold() for name in names}
    assert suggested[0].casefold() == names[0].casefold()
