"""The first docstring line of a module, and never a line of it executed."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from xaikit.registry.modules import module_from_file, summary_of

EXPLODES = "\nraise RuntimeError('executed')\n"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))


def test_a_module_is_read_and_not_executed(shelf: Path) -> None:
    write(shelf / "catalogued.py", '"""One line.\n\nAnd more.\n"""' + EXPLODES)
    assert summary_of("catalogued") == "One line."
    assert "catalogued" not in sys.modules


@pytest.mark.parametrize("inner", ["deep/inner.py", "deep/inner/__init__.py"])
def test_neither_is_its_package(shelf: Path, inner: str) -> None:
    write(shelf / "shelved/__init__.py", EXPLODES)
    write(shelf / "shelved/deep/__init__.py", EXPLODES)
    write(shelf / "shelved" / inner, '"""Deep, and ünïcode."""')
    assert summary_of("shelved.deep.inner") == "Deep, and ünïcode."
    assert "shelved" not in sys.modules


def test_a_package_without_an_init_is_looked_into(shelf: Path) -> None:
    write(shelf / "unmarked/inner.py", '"""Inside a namespace."""')
    assert summary_of("unmarked.inner") == "Inside a namespace."


def test_a_package_itself_has_a_summary(shelf: Path) -> None:
    write(shelf / "packed/__init__.py", '"""A package."""')
    assert summary_of("packed") == "A package."


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ('"""\n\n   Late.\n   More.\n"""', "Late."),
        ("x = 1", "(no docstring)"),
        ('"""   """', "(no docstring)"),
        ("", "(no docstring)"),
        ("def broken(:", "(unreadable: SyntaxError)"),
    ],
)
def test_what_is_wrong_stands_in_brackets(shelf: Path, text: str, summary: str) -> None:
    write(shelf / "oddly.py", text)
    assert summary_of("oddly") == summary


def test_bytes_that_are_no_text_are_unreadable(shelf: Path) -> None:
    (shelf / "latin.py").write_bytes(b'"""\xff\xfe"""')
    assert summary_of("latin") == "(unreadable: UnicodeDecodeError)"


@pytest.mark.parametrize("module", ["nowhere", "nowhere.inner", "xaikit.nothing_of_that_name", "sys", "sys.path", ""])
def test_a_module_without_a_file_is_named(module: str) -> None:
    assert summary_of(module) == f"(not found: {module})"


def test_a_module_of_a_file_is_whole_before_another_thread_has_it(tmp_path: Path) -> None:
    write(tmp_path / "slow.py", "import time\ntime.sleep(0.2)\nwhole = object()\n")
    with ThreadPoolExecutor(4) as pool:
        modules = list(pool.map(lambda _: module_from_file(tmp_path / "slow.py", "test"), range(4)))
    assert len({id(module.whole) for module in modules}) == 1
