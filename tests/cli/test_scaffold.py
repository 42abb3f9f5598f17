"""`xaikit new`: what it writes for each kind, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from helpers.distributions import installing
from helpers.environments import Environment
from xaikit import ConfigError, PluginConflict, Registry
from xaikit.cli import scaffold
from xaikit.cli.commands import commands
from xaikit.config import load
from xaikit.registry import KINDS, check_class

ROOT = Path(__file__).parents[2]
FILES = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "tests/test_contract.py",
}
CALLS = {
    "method": 'method_checks("my-own")',
    "metric": 'metric_checks("my-own")',
    "target": 'target_checks("my-own")',
    "layout": 'layout_checks("my-own")',
    "observer": 'observer_checks("my-own")',
    **{kind: f'finisher_checks("{kind}", "my-own")' for kind in scaffold.STAGES.values()},
    **{kind: f'source_checks("{kind}", "my-own")' for kind in scaffold.SOURCES},
}


WRITTEN = set(KINDS) - {"executor"}  # who wants to replace what does the shards reads docs/hooks.md


@pytest.fixture(params=sorted(WRITTEN))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    """A new distribution of each kind."""
    return scaffold.write(kind, "my-own", tmp_path)


def test_every_kind_has_a_template() -> None:
    assert set(CALLS) == WRITTEN
    templates = ROOT / "xaikit" / "cli" / "templates" / "new" / "modules"
    assert {path.name.partition(".")[0] for path in templates.iterdir()} == WRITTEN


def test_the_folder_is_complete(folder: Path, kind: str) -> None:
    assert folder.name == "xaikit-my-own"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == {*FILES, "xaikit_my_own.py"}
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "xaikit-my-own"
    assert project["project"]["entry-points"] == {KINDS[kind].group: {"my-own": "xaikit_my_own"}}
    assert project["project"]["dependencies"] == ["xaikit>=0.1"]
    assert yaml.safe_load((folder / ".github/workflows/ci.yml").read_text())["jobs"]["contract"]["steps"][-1] == {
        "run": "pytest"
    }
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert f'@pytest.mark.parametrize("check", {CALLS[kind]})\n' in (folder / "tests/test_contract.py").read_text()
    for path in folder.rglob("*"):
        assert path.is_dir() or "{%" not in path.read_text()


def test_the_module_keeps_its_contract_and_shows_what_to_replace(folder: Path, kind: str) -> None:
    text = (folder / "xaikit_my_own.py").read_text()
    assert text.count("# replace this line by ") == 1
    plugin = Registry().find(kind, "./xaikit_my_own.py:MyOwn", folder)
    check_class(kind, plugin.cls, "the template")
    assert plugin.cls()


def test_the_placeholder_passes_the_kit(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from xaikit.testing import checks_of

    monkeypatch.chdir(folder)
    checks = checks_of(kind, "./xaikit_my_own.py:MyOwn")
    assert checks
    for check in checks:
        check()


def test_a_linter_with_its_own_settings_is_content(folder: Path) -> None:
    for arguments in (["check"], ["check", "--select", "I"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", "."]
        done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_readme_says_how_a_config_uses_it(
    folder: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = (folder / "README.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    values = {"model": {"source": "samples"}, "data": {"source": "samples"}, "methods": ["gradcam"]}
    (tmp_path / "used.yaml").write_text(yaml.safe_dump(values | yaml.safe_load(block)))
    with installing(tmp_path / "site", monkeypatch) as install:
        entries = f"[{KINDS[kind].group}]\nmy-own = xaikit_my_own\n"
        install("xaikit-my-own", entries, (folder / "xaikit_my_own.py").read_text())
        assert "my-own" in str(load(tmp_path / "used.yaml").plain())


@pytest.mark.parametrize("name", ["needs", "view", "tensor", "class-var"])
def test_a_name_that_the_module_imports_is_no_name_of_its_class(name: str, tmp_path: Path) -> None:
    module = scaffold.write("method", name, tmp_path) / f"{scaffold.module_of(name)}.py"
    title = "".join(part.capitalize() for part in name.split("-"))
    assert f"class {title}Method:" in module.read_text()


# --- refusals


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MyCam", r"name: expected small letters, .* a letter first, got 'MyCam'; perhaps 'mycam'\?"),
        ("1cam", r"got '1cam'; perhaps 'cam'\?"),
        ("my cam", r"got 'my cam'; perhaps 'my-cam'\?"),
        ("../cam", r"got '\.\./cam'; perhaps 'cam'\?"),
        ("cam-", "got 'cam-'"),
        ("çam", "got 'çam'"),
        ("", r"got ''; perhaps 'mycam'\?"),
        ("xaikit-mycam", r"without 'xaikit-', which is added, got 'xaikit-mycam'; perhaps 'mycam'\?"),
        ("none", "got 'none', which means something else in a YAML"),
        ("auto", "got 'auto', which means something else in a YAML"),
        ("off", "got 'off', which means something else in a YAML"),
        ("null", "got 'null', which means something else in a YAML"),
    ],
)
def test_what_is_no_name_is_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        scaffold.write("method", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_taken_is_refused_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginConflict, match="method 'gradcam' is offered by xaikit already; choose another"):
        scaffold.write("method", "gradcam", tmp_path / "new")
    with pytest.raises(PluginConflict, match=r"needs a module xaikit_cams, and there is one already: .*/__init__\.py"):
        scaffold.write("method", "cams", tmp_path / "new")
    with installing(tmp_path / "site", monkeypatch) as install:
        install("xaikit-mine", "[xaikit.methods]\nminecam = elsewhere\n", module="elsewhere")
        with pytest.raises(PluginConflict, match="method 'minecam' is offered by xaikit-mine already"):
            scaffold.write("method", "minecam", tmp_path / "new")
        with pytest.raises(PluginConflict, match=r"xaikit-mine 1\.0 is installed already"):
            scaffold.write("target", "mine", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_name_of_another_kind_is_free(tmp_path: Path) -> None:
    assert scaffold.write("target", "gradcam", tmp_path).is_dir()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "xaikit-mine").mkdir()
    with pytest.raises(ConfigError, match=r"folder: expected a new one, got '.*xaikit-mine', which exists already"):
        scaffold.write("method", "mine", tmp_path)
    assert not list((tmp_path / "xaikit-mine").iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("metod",),
            r"KIND: expected one of method, .*, source, observer, got 'metod'; did you mean 'method'\?",
        ),
        (("finisher", "scal"), r"--stage: expected one of rectify, .*, got 'scal'; did you mean 'scale'"),
        (("source", None, "dat"), r"--of: expected one of data, model, got 'dat'; did you mean 'data'"),
        (("method", "scale"), "--stage: expected with a finisher only, got 'scale' with a method"),
        (("target", None, "data"), "--of: expected with a source only, got 'data' with a target"),
    ],
)
def test_what_is_no_kind_is_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scaffold.kind_of(*words)


# --- the command


def test_the_command_ends_with_what_to_do_next(tmp_path: Path) -> None:
    arguments = ["new", "finisher", "mine", "--stage", "fuse", "--to", str(tmp_path / "a folder")]
    done = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    root = tmp_path / "a folder" / "xaikit-mine"
    assert done.output.splitlines() == [
        f"wrote {root}; the line to replace is in xaikit_mine.py. Now:",
        f"  pip install -e '{root}[test]'",
        "  xaikit check mine --kind fuser",
        f"  pytest '{root}'",
    ]
    assert 'xaikit.fusers"]\nmine = "xaikit_mine"' in (root / "pyproject.toml").read_text()


def test_the_command_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom xaikit.cli import main\n"
        f"try: main(['new', 'method', 'mycam', '--to', {str(tmp_path)!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'torchvision', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_templates_are_in_the_wheel(tmp_path: Path) -> None:
    Environment(tmp_path / "environment").sh(f"pip wheel --no-deps --wheel-dir . {ROOT}", tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        packed = {name for name in archive.namelist() if name.startswith("xaikit/cli/templates/")}
    templates = ROOT / "xaikit" / "cli" / "templates"
    assert packed == {
        f"xaikit/cli/templates/{path.relative_to(templates)}" for path in templates.rglob("*") if path.is_file()
    }
