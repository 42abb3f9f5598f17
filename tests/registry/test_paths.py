"""Plugins without an entry point: a class by its import path, or of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.distributions import METHOD, Install, installing, methods
from xaikit.errors import PluginContract, PluginError, UnknownPlugin
from xaikit.registry import Registry


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    with installing(tmp_path, monkeypatch) as function:
        yield function


def test_a_class_by_its_import_path(install: Install) -> None:
    install("acme-plain", "", METHOD)
    plugin = Registry().find("method", "acme_plain:MyCam")
    assert (plugin.name, plugin.cls.__name__, plugin.distribution) == ("MyCam", "MyCam", "acme_plain")
    assert (plugin.version, plugin.module) == ("", "acme_plain")


def test_what_a_distribution_offers_goes_before_a_class_of_the_same_package(install: Install) -> None:
    text = METHOD.replace("@hookimpl", "Named = MyCam\n\n\n@hookimpl").replace("k: int = 3", "k: int = 4")
    install("acmeboth", methods(mycam="acmeboth"), text)
    assert Registry().find("method", "acmeboth:mycam").version == "1.0"
    assert Registry().find("method", "acmeboth:MyCam").version == ""


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (
            "acme_plain:MyCm",
            UnknownPlugin,
            "method 'acme_plain:MyCm': acme_plain has no 'MyCm'; did you mean 'MyCam'?",
        ),
        (
            "acme_nowhere:MyCam",
            PluginError,
            "method 'acme_nowhere:MyCam' failed to import: ModuleNotFoundError: No module named 'acme_nowhere'",
        ),
        (
            "acme_plain:xaikit_method",
            PluginContract,
            "method 'acme_plain:xaikit_method': expected a frozen dataclass, got <function xaikit_method",
        ),
        ("acme_plain:Needs", PluginContract, "method 'acme_plain:Needs': Needs lacks needs, explain"),
        ("acme_plain:", UnknownPlugin, "method 'acme_plain:': acme_plain has no ''; known: MyCam, Needs"),
    ],
)
def test_a_wrong_import_path_is_an_error(install: Install, use: str, error: type[PluginError], message: str) -> None:
    install("acme-plain", "", METHOD)
    with pytest.raises(error) as caught:
        Registry().find("method", use)
    assert type(caught.value) is error
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("use", ["./mycam.py:MyCam", "mycam.py:MyCam", "ideas/../mycam.py:MyCam"])
def test_a_class_of_a_file_beside_the_config(tmp_path: Path, use: str) -> None:
    (tmp_path / "ideas").mkdir()
    (tmp_path / "mycam.py").write_text(METHOD)
    plugin = Registry().find("method", use, base=tmp_path)
    assert plugin.cls().k == 3
    assert plugin.name == "MyCam"


def test_a_file_is_looked_for_in_the_working_directory_without_a_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mycam.py").write_text(METHOD)
    monkeypatch.chdir(tmp_path)
    assert Registry().find("method", "./mycam.py:MyCam").cls().k == 3
    assert Registry().find("method", f"{tmp_path}/mycam.py:MyCam").cls().k == 3


@pytest.mark.parametrize("use", ["./mycam.py:MyCam", "mycam.py:MyCam"])
def test_files_of_one_name_in_two_folders_are_two_plugins(tmp_path: Path, use: str) -> None:
    registry = Registry()
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "mycam.py").write_text(METHOD.replace("= 3", f"= {number}"))
        assert registry.find("method", use, base=folder).cls().k == number


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "mycam.py").write_text(METHOD.replace("= 3", f"= {number}"))
        assert Registry().find("method", "./mycam.py:MyCam", base=tmp_path).cls().k == number


def test_a_wrong_file_is_an_error(tmp_path: Path) -> None:
    registry = Registry()
    with pytest.raises(UnknownPlugin) as missing:
        registry.find("method", "./none.py:MyCam", base=tmp_path)
    assert str(missing.value) == f"method './none.py:MyCam': there is no file {tmp_path.resolve() / 'none.py'}"

    (tmp_path / "broken.py").write_text("import not_installed_anywhere\n")
    for _ in range(2):
        with pytest.raises(PluginError, match=r"^method './broken.py:MyCam' failed to import: ModuleNotFoundError: No"):
            registry.find("method", "./broken.py:MyCam", base=tmp_path)

    (tmp_path / "notes.txt").write_text("no Python")
    with pytest.raises(PluginError, match=r"notes.txt is not a Python file$"):
        registry.find("method", "./notes.txt:MyCam", base=tmp_path)

    (tmp_path / "mycam.py").write_text(METHOD)
    with pytest.raises(UnknownPlugin, match=r"^method './mycam.py:mycam': ./mycam.py has no 'mycam'; did you mean"):
        registry.find("method", "./mycam.py:mycam", base=tmp_path)


def test_without_paths_only_what_is_installed_or_imported_already_is_found(tmp_path: Path) -> None:
    (tmp_path / "mycam.py").write_text(METHOD)
    (tmp_path / "other.py").write_text(METHOD)
    registry = Registry()
    mine = registry.find("method", "./mycam.py:MyCam", base=tmp_path)
    shut = registry.without_paths()
    assert shut.find("method", "./mycam.py:MyCam", base=tmp_path) is mine
    assert shut.find("method", "gradcam").name == shut.find("method", "xaikit:gradcam").name == "gradcam"
    for use in ("./other.py:MyCam", "os.path:join", "xaikit_cams.gradcam:GradCAM"):
        with pytest.raises(PluginError, match=rf"^method '{use}': expected a plugin that is installed, .* --trust"):
            shut.find("method", use, base=tmp_path)
        with pytest.raises(PluginError, match="run folder runs no code"):
            Registry(paths=False).find("method", use, base=tmp_path)
    assert registry.find("method", "./other.py:MyCam", base=tmp_path)


def test_a_file_of_one_class_of_the_kind_needs_no_name(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(METHOD)
    plugin = Registry().find("method", "./mine.py", tmp_path)
    assert (plugin.name, plugin.cls) == ("MyCam", Registry().find("method", "mine.py:MyCam", tmp_path).cls)


def test_the_only_class_of_a_file_may_inherit_its_members(tmp_path: Path) -> None:
    (tmp_path / "inherited.py").write_text(METHOD.replace("class MyCam", "class Parent"))
    head = "from dataclasses import dataclass\nfrom inherited import Parent\n"
    child = head + "@dataclass(frozen=True)\nclass {}(Parent):\n    x: int = 1\n"
    (tmp_path / "child.py").write_text(child.format("Child"))
    assert Registry().find("method", "./child.py", tmp_path).name == "Child"
    (tmp_path / "two.py").write_text(child.format("Child") + child.format("Other"))
    with pytest.raises(
        UnknownPlugin, match=r"expected one class with explain\(\), got Child, Other; write two.py:CLASS"
    ):
        Registry().find("method", "./two.py", tmp_path)


def test_a_file_of_several_classes_asks_which(tmp_path: Path) -> None:
    second = METHOD.replace("class MyCam", "class OtherCam").partition("@hookimpl")[0]
    (tmp_path / "mine.py").write_text(METHOD + second)
    with pytest.raises(
        UnknownPlugin, match=r"expected one class with explain\(\), got MyCam, OtherCam; write mine.py:CLASS"
    ):
        Registry().find("method", "./mine.py", tmp_path)
    with pytest.raises(UnknownPlugin, match=r"expected one class with pin\(\), got none"):
        Registry().find("target", "./mine.py", tmp_path)
