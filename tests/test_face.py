"""What is public, and what the light commands and the first imports load."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import xaikit

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "torchvision", "numpy"}


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
        command("methods", "layercam"),
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


def test_a_plugin_whose_options_may_be_tensors_is_loaded_with_what_it_needs() -> None:
    assert "torch" in loaded_by(command("methods", "box", "--kind", "target"))


def test_python_m_is_the_same_command() -> None:
    helps = [
        subprocess.run([*start, "--help"], capture_output=True, text=True, check=True).stdout
        for start in ([sys.executable, "-m", "xaikit"], [str(Path(sys.executable).parent / "xaikit")])
    ]
    assert helps[0].replace("python -m xaikit", "xaikit") == helps[1]
    assert "methods" in helps[0]


# --- the public face

PUBLIC = """
    Config ConfigError DamagedFile DataError Disconnected Explanation LayerNotFound ModelError Needs PinnedClasses Plan
    PluginConflict PluginContract PluginError Registry Report StoreError TapError UndeclaredNeed UnknownPlugin
    XaikitError __version__ class_indices class_logits compare diff evaluate explain figure global_draws hookimpl leaderboard load
    Backward ClassIndex LinearRule Located Region lies_at module_at nearest open overlay plan regions run verify
    RunDone RunFailed RunStarted ShardDone
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
    assert (
        xaikit.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    )


def test_all_errors_of_the_tree_are_public() -> None:
    def below(cls: type) -> Iterator[type]:
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    names = {child.__name__ for child in below(xaikit.XaikitError) if child.__module__ == "xaikit.errors"}
    assert names <= set(xaikit.__all__)
