from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

import xaikit
from helpers.fake_plugins import fake_registry
from xaikit.hookspecs import hookimpl
from xaikit.registry import Plugin, Registry
from xaikit.trials import digests

CAM = (
    "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Cam:\n    needs = None\n    explain = None\n"
)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder.joinpath(*name.split("__SLASH__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def package(folder: Path, name: str, **files: str) -> None:
    write(folder, **{f"{name}__SLASH__{file}": text for file, text in {"__init__": "", **files}.items()})
    importlib.invalidate_caches()  # folders are looked at once a tick of the clock


def module(name: str) -> Plugin:
    """A plugin of a module that nobody has imported."""
    return Plugin("method", "cam", type("Cam", (), {"__module__": name}), "nobody", "1.0", name)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that modules are imported from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


# --- the engine


def test_the_engine_is_what_raw_maps_are_computed_by() -> None:
    modules = set(digests.modules_of_engine())
    assert set(digests.ROOTS) <= modules
    assert {
        *("xaikit._numeric", "xaikit.targets", "xaikit.reruns.replay", "xaikit.reruns.rescore"),
        *("xaikit.evidence.hooks", "xaikit.passes.backprop"),
    } <= modules
    assert not {name for name in modules for blind in digests.BLIND if name == blind or name.startswith(f"{blind}.")}
    assert (
        not {f"xaikit.{name}" for name in ("finish", "runner", "bench", "store", "trials", "report", "cli")} & modules
    )
    assert "xaikit" not in modules
    assert len(digests.engine()) == 16


def test_every_blind_module_and_root_is_there() -> None:
    root = Path(xaikit.__file__).parent
    for name in (*digests.ROOTS, *digests.BLIND):
        stem = root.joinpath(*name.removeprefix("xaikit.").split("."))
        assert stem.with_suffix(".py").is_file() or (stem / "__init__.py").is_file(), name


def test_an_edit_of_the_engine_changes_its_digest_and_one_of_the_finish_does_not(tmp_path: Path) -> None:
    code = "from xaikit.trials import digests; print(digests.engine())"
    source = Path(xaikit.__file__).parent
    for path in source.rglob("*.py"):
        copy = tmp_path / "xaikit" / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())

    def digest() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.check_output([sys.executable, "-c", code], env=environment, cwd=tmp_path, text=True).strip()

    before = digest()
    for name, same in (
        ("finish.py", True),
        ("schema/sections.py", True),
        ("runner/steps.py", True),
        ("_numeric.py", False),
    ):
        with (tmp_path / "xaikit" / name).open("a") as file:
            file.write("\n# edited\n")
        assert (digest() == before) is same, name


# --- plugins


def test_a_module_with_what_it_imports_of_its_package(shelf: Path) -> None:
    package(
        shelf,
        "mine",
        cam="import torch\nfrom mine._alpha import weigh\nfrom xaikit.ops import pool\n",
        _alpha="from . import _beta\n",
        _beta="import mine.deep.gamma\n",
        other="X = 1\n",
    )
    package(shelf, "mine__SLASH__deep", gamma="from .. import other_thing\nfrom ..late import y\n")
    package(shelf, "mine", late="def f():\n    from mine.hidden import z\n", hidden="")
    assert set(digests.modules_of(module("mine.cam"))) == {
        *("mine", "mine.cam", "mine._alpha", "mine._beta", "mine.deep", "mine.deep.gamma", "mine.late", "mine.hidden")
    }
    assert "mine" not in sys.modules


@pytest.mark.parametrize(
    ("edited", "changed"),
    [("cam", {"cam"}), ("_alpha", {"cam", "beside"}), ("__init__", {"cam", "beside", "alone"}), ("unused", set())],
)
def test_an_edit_changes_those_that_import_it(shelf: Path, edited: str, changed: set[str]) -> None:
    files = {
        "cam": "from mine2._alpha import a",
        "beside": "from mine2 import _alpha",
        "alone": "",
        "_alpha": "",
        "unused": "",
    }
    package(shelf, "mine2", **files)
    before = {name: digests.plugin(module(f"mine2.{name}")) for name in ("cam", "beside", "alone")}
    assert len(set(before.values())) == 3
    write(shelf / "mine2", **{edited: "# edited\n" + files.get(edited, "")})
    after = {name: digests.plugin(module(f"mine2.{name}")) for name in before}
    assert {name for name in before if before[name] != after[name]} == changed
    for name in ("cam", "beside", "alone"):
        assert digests.plugin(module(f"mine2.{name}")) == after[name]


def test_the_folder_plays_no_part(tmp_path: Path) -> None:
    plugins = set()
    for name in ("here", "there"):
        write(tmp_path / name, cam=CAM)
        plugin = Registry(entry_points=()).find("method", "./cam.py:Cam", tmp_path / name)
        plugins.add((plugin.module, digests.identity(plugin), digests.plugin(plugin)))
    assert len(plugins) == 2
    assert len({digest for _, _, digest in plugins}) == 1
    assert {name for _, name, _ in plugins} == {"cam.py:Cam"}


def test_a_file_with_the_modules_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, cam=f"import json\nimport helper_of_cam\n{CAM}", helper_of_cam="x = 1\n", unused="")
    plugin = Registry(entry_points=()).find("method", "./cam.py:Cam", tmp_path)
    assert set(digests.modules_of(plugin)) == {"cam", "helper_of_cam"}
    before = digests.plugin(plugin)
    write(tmp_path, unused="x = 2\n")
    assert digests.plugin(plugin) == before
    write(tmp_path, helper_of_cam="x = 22\n")
    assert digests.plugin(plugin) != before
    del sys.modules["helper_of_cam"]


def test_a_plugin_that_stands_in_one_module_and_is_offered_by_another(shelf: Path) -> None:
    package(shelf, "mine3", hook="from mine3.impl import Cam\n", impl=CAM)
    plugin = Plugin("method", "cam", type("Cam", (), {"__module__": "mine3.impl"}), "nobody", "1.0", "mine3.hook")
    assert set(digests.modules_of(plugin)) == {"mine3", "mine3.hook", "mine3.impl"}


def test_other_packages_of_its_distribution_count(shelf: Path) -> None:
    package(shelf, "front_of_four", cam="from back_of_four.core import run\nimport mine_elsewhere\n")
    package(shelf, "back_of_four", core="def run(): ...\n")
    package(shelf, "mine_elsewhere")
    info = shelf / "four_of_them-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: four-of-them\nVersion: 1.0\n")
    (info / "RECORD").write_text(
        "front_of_four/__init__.py,,\nfront_of_four/cam.py,,\nback_of_four/core.py,,\n../x.py,,\n"
    )
    plugin = Plugin(
        "method",
        "cam",
        type("Cam", (), {"__module__": "front_of_four.cam"}),
        "four-of-them",
        "1.0",
        "front_of_four.cam",
    )
    assert set(digests.modules_of(plugin)) == {
        "front_of_four",
        "front_of_four.cam",
        "back_of_four",
        "back_of_four.core",
    }


def test_a_module_without_a_source_counts_by_its_name_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("made_in_memory")
    monkeypatch.setitem(sys.modules, "made_in_memory", made)
    plugin = module("made_in_memory")
    assert digests.modules_of(plugin) == {}
    assert len({digests.plugin(plugin), digests.plugin(Plugin(**{**vars(plugin), "version": "1.1"}))}) == 2


def test_a_compiled_module_counts_by_its_bytes(shelf: Path) -> None:
    package(shelf, "mine5", cam="from mine5 import fast\n")
    suffix = EXTENSION_SUFFIXES[0]
    (shelf / "mine5" / f"fast{suffix}").write_bytes(b"\x7fELF")
    before = digests.plugin(module("mine5.cam"))
    assert set(digests.modules_of(module("mine5.cam"))) == {"mine5", "mine5.cam", "mine5.fast"}
    (shelf / "mine5" / f"fast{suffix}").write_bytes(b"\x7fELF2")
    assert digests.plugin(module("mine5.cam")) != before


def test_a_package_without_an_init(shelf: Path) -> None:
    write(shelf / "mine6", cam="import mine6.sub.helper\n")
    write(shelf / "mine6" / "sub", helper="")
    assert set(digests.modules_of(module("mine6.cam"))) == {"mine6.cam", "mine6.sub.helper"}


def test_code_that_is_no_python_has_a_digest_all_the_same(shelf: Path) -> None:
    package(shelf, "mine7", cam="def (:\n")
    assert len(digests.plugin(module("mine7.cam"))) == 16


def test_circles_end(shelf: Path) -> None:
    package(shelf, "mine8", a="from mine8 import b\n", b="from mine8 import a\n")
    assert digests.modules_of(module("mine8.a")).keys() == digests.modules_of(module("mine8.b")).keys()


def test_a_file_is_read_once_until_it_changes(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(shelf, "mine9", cam="x = 1\n")
    before = digests.plugin(module("mine9.cam"))
    read: list[Path] = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read.append(self) or whole(self))
    assert digests.plugin(module("mine9.cam")) == before
    assert read == []
    os.utime(shelf / "mine9" / "cam.py", ns=(1, 1))
    assert digests.plugin(module("mine9.cam")) == before
    assert [path.name for path in read] == ["cam.py"]


# --- names


def test_the_same_plugin_has_one_name() -> None:
    registry = fake_registry()
    identities = {
        digests.identity(registry.find("method", use)) for use in ("grad", "unknown:grad", "helpers.fake_plugins:Grad")
    }
    assert identities == {"helpers.fake_plugins:Grad"}


def test_plugins_of_one_class_name_have_two(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("made_elsewhere")
    cls = type("Grad", (fake_registry().find("method", "grad").cls,), {"__module__": "made_elsewhere"})
    made.xaikit_method = hookimpl(lambda: cls)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_elsewhere", made)
    registry = fake_registry(EntryPoint("mine", "made_elsewhere", "xaikit.methods"))
    assert digests.identity(registry.find("method", "mine")) == "made_elsewhere:Grad"


@pytest.mark.parametrize("method", ["gradcampp", "smoothgradcampp"])
def test_the_built_in_ones_bring_their_helper(method: str) -> None:
    modules = digests.modules_of(Registry().find("method", f"xaikit:{method}"))
    assert set(modules) == {"xaikit_cams", "xaikit_cams._alpha", f"xaikit_cams.{method}"}
