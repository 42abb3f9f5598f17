"""The shape of the house: what is on the shelf, how large things are, who imports whom, and what things are called."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from helpers.modules import circle, import_graph, imports, modules_of
from xaikit.registry import KINDS, Registry
from xaikit.registry.modules import summary_of

ROOT = Path(__file__).parents[1]
SHELF = ROOT / "plugins"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENTRY_POINTS = PROJECT["project"]["entry-points"]
OFFERED = [(group, name, module) for group, names in ENTRY_POINTS.items() for name, module in names.items()]
SOURCES = sorted([*(ROOT / "xaikit").rglob("*.py"), *SHELF.rglob("*.py")])
MODULES = modules_of(ROOT / "xaikit")
CORE = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py"]
KIND_OF = {kind.group: name for name, kind in KINDS.items()}
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_A_PACKAGE = 2500
MOST_MODULES_AT_THE_ROOT = 16


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(SHELF).with_suffix("").parts)


def modules() -> list[str]:
    """Every plugin module: those whose name begins with an underscore, packages included, are none."""
    return sorted(dotted(path) for path in SHELF.rglob("*.py") if not path.name.startswith("_"))


def of_the_core() -> list[str]:
    """The plugins that are part of the core: they know its insides."""
    folder = ROOT / "xaikit" / "runner" / "executors"
    executors = (path.stem for path in folder.glob("*.py") if not path.name.startswith("_"))
    return ["xaikit.bench.datasets", "xaikit.bench.objects", *(f"xaikit.runner.executors.{name}" for name in executors)]


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- the shelf


def test_the_wheel_holds_every_package_of_the_shelf() -> None:
    folders = sorted(path.name for path in SHELF.iterdir() if path.is_dir() and path.name != "__pycache__")
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert packages == ["xaikit", *(f"plugins/{name}" for name in folders)]


def test_every_module_of_the_shelf_is_one_entry_point() -> None:
    assert sorted(module for _, _, module in OFFERED) == sorted([*modules(), *of_the_core()])


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


DOORS = {"method", "metric", "ops", "view", "targets", "layouts", "sources", "testing"}


def test_plugins_are_forbidden_all_of_xaikit_but_its_doors() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (forbidden,) = [set(one["forbidden_modules"]) for one in contracts if one["name"].startswith("Plugins import only")]
    paths = [*(ROOT / "xaikit").glob("*.py"), *(path.parent for path in (ROOT / "xaikit").glob("*/__init__.py"))]
    names = {path.stem for path in paths if path.name != "__init__.py"}
    assert DOORS | {name.removeprefix("xaikit.") for name in forbidden} == names
    assert DOORS.isdisjoint(name.removeprefix("xaikit.") for name in forbidden)


def test_the_design_page_draws_the_layers_of_the_contract() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    drawing = page.split("## The rooms")[1].split("```")[1].strip().splitlines()
    (contract,) = [one for one in PROJECT["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    assert [re.split(r"\s{2,}", line)[0] for line in drawing] == contract["layers"]


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


def test_the_root_holds_contracts_doors_and_a_few_leaves() -> None:
    modules = {path.stem for path in MODULES.values() if path.parent == ROOT / "xaikit"} - {"__init__", "__main__"}
    assert len(modules) <= MOST_MODULES_AT_THE_ROOT


def test_gradients_are_taken_at_one_place() -> None:
    """Torch's are wrong behind batch normalization of one sample. The kit's references are plain torch."""
    takers = {name for name, text in CORE.items() if "autograd.grad(" in text and not name.startswith("xaikit.testing")}
    assert takers == {"xaikit._numeric"}


@pytest.mark.parametrize("package", [name for name in PACKAGES if name.count(".") == 1])
def test_no_package_is_large(package: str) -> None:
    texts = [text for name, text in CORE.items() if f"{name}.".startswith(f"{package}.")]
    assert sum(len(text.splitlines()) for text in texts) < MOST_LINES_OF_A_PACKAGE


# --- who imports whom


def test_modules_import_each_other_in_no_circle() -> None:
    assert circle(import_graph(CORE)) == []


def test_a_circle_would_be_seen_also_in_functions_and_for_types_only() -> None:
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import B"
    called = "import os\ndef f():\n    from p import c"
    graph = import_graph({"p": "", "p.a": typed, "p.b": called, "p.c": "import p.a"})
    assert graph == {"p": set(), "p.a": {"p.b"}, "p.b": {"p.c"}, "p.c": {"p.a"}}
    assert sorted(circle(graph)[1:]) == ["p.a", "p.b", "p.c"]


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_no_plugin(module: str) -> None:
    shelf = {path.name for path in SHELF.iterdir()}
    plugins = {offered for _, _, offered in OFFERED}
    assert [name for name in imports(CORE[module]) if name.partition(".")[0] in shelf or name in plugins] == []


# --- names


def public_classes(text: str) -> Iterator[str]:
    named = (node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
    return (name for name in named if not name.startswith("_"))


def test_no_two_public_classes_of_the_core_have_the_same_name() -> None:
    counts = Counter(name for text in CORE.values() for name in public_classes(text))
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_in_its_first_line_what_it_is_for(package: str) -> None:
    docstring = ast.get_docstring(ast.parse(CORE[package])) or ""
    assert docstring.partition("\n")[0].endswith(".")


def hidden(package: str, core: Mapping[str, str]) -> set[str]:
    """The modules of a package that go by the name of what its ``__init__`` defines, or takes from a module."""
    modules = {name.rpartition(".")[2] for name in core if name.rpartition(".")[0] == package}
    names: set[str] = set()
    for node in ast.walk(ast.parse(core[package])):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names if f"{node.module}.{alias.name}" not in core}
    return modules & names


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_hides_what_its_package_offers(package: str) -> None:
    assert hidden(package, CORE) == set()


def test_a_module_that_hides_a_function_would_be_seen() -> None:
    core = {
        "p": "from p import a\nfrom p.b import b\nfrom p.c import d as c",
        "p.a": "",
        "p.b": "",
        "p.c": "",
        "p.d": "",
    }
    assert hidden("p", core) == {"b", "c"}


# --- the core knows no plugin by name

# words of the configuration file: its defaults, and what it spells shorter
SPELLING = ("xaikit.config", "xaikit.schema", "xaikit.trials.trial", "xaikit.api")
BY_NAME = {"methods", "targets", "rectifiers", "normalizers", "scalers", "resizers", "fusers"}
# English words that stand for something else too: a label of a trial, a mean over seeds, where a detection or a word is
WORDS = {
    "box",
    "center",
    "classes",
    "input",
    "label",
    "largest",
    "logit",
    "max",
    "mean",
    "minmax",
    "raw",
    "region",
    "size",
    "sum",
}
NAMES = {name for group, name, _ in OFFERED if group.removeprefix("xaikit.") in BY_NAME} - WORDS


def named(text: str) -> set[str]:
    """The names of plugins that stand in the code as strings: a docstring is never nothing but a name."""
    strings = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    return {value for value in strings if isinstance(value, str)} & NAMES


def compared(text: str) -> set[str]:
    """What ``use`` is compared with: the names of plugins, whatever they are."""
    strings = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Attribute) and side.attr == "use" for side in sides):
                constants = (each.value for side in sides for each in ast.walk(side) if isinstance(each, ast.Constant))
                strings |= {value for value in constants if isinstance(value, str)}
    return strings


@pytest.mark.parametrize("module", CORE)
def test_the_core_knows_no_plugin_by_name(module: str) -> None:
    if not module.startswith(SPELLING):
        assert named(CORE[module]) == set()
    assert compared(CORE[module]) <= {"auto", "none"}


def test_such_knowledge_would_be_seen() -> None:
    assert named("'gradcam, of course'\nUNRECTIFIED = ('none', 'abs')\nif which == 'tanh': pass") == {"abs", "tanh"}
    assert compared("if trial.target.use in ('label', other) or trial.name == 'top': pass") == {"label"}


# --- evidence stays where it is

ON_DEVICE = [
    *sorted((ROOT / "xaikit" / "evidence").rglob("*.py")),
    # the state of random generators is no evidence, and lies on the host
    *sorted({*(ROOT / "xaikit" / "passes").rglob("*.py")} - {ROOT / "xaikit" / "passes" / "process.py"}),
    *sorted((ROOT / "xaikit" / "engine").rglob("*.py")),
    *(ROOT / "xaikit" / f"{name}.py" for name in ("_numeric", "draws", "finish", "method", "ops", "view")),
    *sorted((SHELF / "xaikit_cams").glob("*.py")),
]
TO_HOST = re.compile(r"\.(item|tolist|numpy|cpu)\(|import numpy")
DOOR = {"xaikit/_numeric.py": ["cpu"], "xaikit/ops.py": ["cpu", "numpy"]}
"""on_host: what has to be decided by numbers of the device is decided by one copy of all of them; superpixels: a library knows
no device."""


@pytest.mark.parametrize("path", ON_DEVICE, ids=short)
def test_evidence_is_not_copied_to_the_host(path: Path) -> None:
    assert TO_HOST.findall(path.read_text(encoding="utf-8")) == DOOR.get(short(path), [])


def test_such_a_copy_would_be_seen() -> None:
    assert TO_HOST.findall("weights.cpu().numpy()\nscore.item()") == ["cpu", "numpy", "item"]
