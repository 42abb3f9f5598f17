"""The shape of the house: what is on the shelf, how large it is, and what a command may import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import xaikit
from xaikit.registry import KINDS, Registry
from xaikit.registry.modules import summary_of

ROOT = Path(__file__).parents[1]
SHELF = ROOT / "plugins"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENTRY_POINTS = PROJECT["project"]["entry-points"]
OFFERED = [(group, name, module) for group, names in ENTRY_POINTS.items() for name, module in names.items()]
SOURCES = sorted([*(ROOT / "xaikit").rglob("*.py"), *SHELF.rglob("*.py")])
KIND_OF = {kind.group: name for name, kind in KINDS.items()}
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 40
HEAVY = {"torch", "torchvision", "numpy"}


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(SHELF).with_suffix("").parts)


def modules() -> list[str]:
    """Every plugin module: those whose name begins with an underscore, packages included, are none."""
    return sorted(dotted(path) for path in SHELF.rglob("*.py") if not path.name.startswith("_"))


def executors() -> list[str]:
    """The plugins that are part of the core: they know the engine's insides."""
    folder = ROOT / "xaikit" / "runner" / "executors"
    return sorted(
        f"xaikit.runner.executors.{path.stem}" for path in folder.glob("*.py") if not path.name.startswith("_")
    )


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- the shelf


def test_the_wheel_holds_every_package_of_the_shelf() -> None:
    folders = sorted(path.name for path in SHELF.iterdir() if path.is_dir() and path.name != "__pycache__")
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == ["xaikit", *(f"plugins/{name}" for name in folders)]


def test_every_module_of_the_shelf_is_one_entry_point() -> None:
    assert sorted(module for _, _, module in OFFERED) == sorted([*modules(), *executors()])


def test_every_group_is_a_kind_and_every_kind_has_something_in_it() -> None:
    assert set(ENTRY_POINTS) == set(KIND_OF)


@pytest.mark.parametrize("module", modules())
def test_every_plugin_says_in_one_line_what_it_is(module: str) -> None:
    summary = summary_of(module)
    assert not summary.startswith("(")
    assert summary.endswith(".")


@pytest.mark.parametrize(("group", "name", "module"), OFFERED)
def test_every_plugin_keeps_its_contract(group: str, name: str, module: str) -> None:
    plugin = Registry().find(KIND_OF[group], f"xaikit:{name}")
    assert (plugin.module, plugin.distribution) == (module, "xaikit")
    assert plugin.cls.__doc__
    assert not str(plugin.cls.__doc__).startswith(f"{plugin.cls.__name__}(")


DOORS = {"method", "ops", "view", "targets", "layouts", "sources", "testing"}


def test_plugins_are_forbidden_all_of_xaikit_but_its_doors() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (forbidden,) = [set(one["forbidden_modules"]) for one in contracts if one["name"].startswith("Plugins import only")]
    paths = [*(ROOT / "xaikit").glob("*.py"), *(path.parent for path in (ROOT / "xaikit").glob("*/__init__.py"))]
    names = {path.stem for path in paths if path.name != "__init__.py"}
    assert DOORS | {name.removeprefix("xaikit.") for name in forbidden} == names
    assert DOORS.isdisjoint(name.removeprefix("xaikit.") for name in forbidden)


# --- sizes


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def bodies(text: str) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function body, its docstring left out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, int(node.end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_no_function_is_long(path: Path) -> None:
    sizes = bodies(path.read_text(encoding="utf-8"))
    assert [(name, lines) for name, lines in sizes if lines > MOST_LINES_OF_A_FUNCTION] == []


def test_a_long_function_would_be_seen() -> None:
    long = "def f():\n    '''Doc.\n\n    More.\n    '''\n" + "    x = 1\n" * 41
    assert list(bodies(f"{long}\n\ndef g():\n    '''Doc.'''\n")) == [("f", 41), ("g", 0)]


# --- evidence stays where it is

ON_DEVICE = [
    *sorted((ROOT / "xaikit" / "evidence").rglob("*.py")),
    *sorted((ROOT / "xaikit" / "engine").rglob("*.py")),
    *(ROOT / "xaikit" / f"{name}.py" for name in ("_numeric", "draws", "finish", "method", "ops", "view")),
    *sorted((SHELF / "xaikit_cams").glob("*.py")),
]
TO_HOST = re.compile(r"\.(item|tolist|numpy|cpu)\(|import numpy")


@pytest.mark.parametrize("path", ON_DEVICE, ids=short)
def test_evidence_is_not_copied_to_the_host(path: Path) -> None:
    assert TO_HOST.findall(path.read_text(encoding="utf-8")) == []


def test_such_a_copy_would_be_seen() -> None:
    assert TO_HOST.findall("weights.cpu().numpy()\nscore.item()") == ["cpu", "numpy", "item"]


# --- light commands


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running the code."""
    report = "\nimport sys\nprint('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def command(*args: str) -> str:
    """Code that runs the command line and goes on where it would exit."""
    return (
        f"from xaikit.cli import main\ntry:\n    main({list(args)})\nexcept SystemExit as end:\n    assert not end.code"
    )


@pytest.mark.parametrize(
    "code",
    [
        command("--help"),
        command("--version"),
        command("methods"),
        command("methods", "--help"),
        "import xaikit",
        "from xaikit import Needs, hookimpl, ConfigError, Registry, load",
        "from xaikit import Registry\nfrom xaikit.registry import KINDS\n[Registry().catalogue(kind) for kind in KINDS]",
    ],
)
def test_what_lists_and_helps_imports_nothing_heavy(code: str) -> None:
    loaded = loaded_by(code)
    assert "xaikit" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("name", sorted(HEAVY))
def test_this_test_can_fail(name: str) -> None:
    assert name in loaded_by(f"{command('--help')}\nimport {name}")


def test_a_method_that_is_asked_for_is_loaded_with_what_it_needs() -> None:
    assert "torch" in loaded_by(command("methods", "layercam"))


def test_python_m_is_the_same_command() -> None:
    said = [
        subprocess.run([*start, "--help"], capture_output=True, text=True, check=True).stdout
        for start in ([sys.executable, "-m", "xaikit"], [str(Path(sys.executable).parent / "xaikit")])
    ]
    assert said[0].replace("python -m xaikit", "xaikit") == said[1]
    assert "methods" in said[0]


# --- the public face

PUBLIC = """
    Config ConfigError DataError Disconnected Explanation LayerNotFound Needs PinnedClasses Plan PluginConflict
    PluginContract PluginError Registry Report StoreError TapError UndeclaredNeed UnknownPlugin XaikitError __version__
    class_indices class_logits compare diff explain hookimpl load module_from_file nearest open plan run
"""


def test_the_public_names_are_these() -> None:
    assert sorted(xaikit.__all__) == sorted(PUBLIC.split())
    assert dir(xaikit) == sorted(xaikit.__all__)


@pytest.mark.parametrize("name", PUBLIC.split())
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(xaikit, name) is not None


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match=r"^module 'xaikit' has no attribute 'expalin'$"):
        xaikit.expalin  # type: ignore[attr-defined]  # noqa: B018


def test_the_contract_kit_needs_no_test_runner() -> None:
    loaded = loaded_by("from xaikit.testing import method_checks\nfor check in method_checks('gradcam'): check()")
    assert "torch" in loaded
    assert loaded & {"pytest", "_pytest", "hypothesis"} == set()


def test_one_version() -> None:
    assert xaikit.__version__ == PROJECT["project"]["version"]


def test_all_errors_of_the_tree_are_public() -> None:
    def below(cls: type) -> Iterator[type]:
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    own = {child.__name__ for child in below(xaikit.XaikitError) if child.__module__ == "xaikit.errors"}
    assert own <= set(xaikit.__all__)
