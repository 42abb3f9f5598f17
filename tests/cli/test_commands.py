from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import xaikit
from helpers.runs import config, pictures
from xaikit.cli import main

HEAVY = ("torch", "torchvision", "numpy")
CONFIGS = Path(__file__).parents[2] / "configs"


def cli(*args: str) -> int:
    """The exit code of a command."""
    try:
        main(list(args))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def yaml_file(tmp_path: Path) -> str:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config(tmp_path)))
    return str(tmp_path / "small.yaml")


def test_run_prints_what_was_seen_and_where_it_lies(
    yaml_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", yaml_file) == 0
    out = capsys.readouterr().out
    assert "one.png" in out
    assert f"contact sheet: {tmp_path / 'run' / 'contact-sheet.jpg'}" in out
    assert f"written to {tmp_path / 'run'}" in out
    assert cli("run", yaml_file) == 0
    assert "3 of 3 photographs are done" in capsys.readouterr().out


def test_failed_pictures_show_in_the_exit_code(
    yaml_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos" / "broken.png").write_bytes(b"no")
    assert cli("run", yaml_file) == 1
    assert "broken.png" in capsys.readouterr().out


def test_all_faults_at_once_on_stderr_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = config(tmp_path, methods={"gradcm": None}, layres="body", seed="many")
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    assert cli("run", str(tmp_path / "bad.yaml"), "model.factroy=x") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert any("methods.gradcm: no method 'gradcm'; did you mean 'gradcam'" in line for line in lines)
    assert any("layres: unknown key; did you mean 'layers'?" in line for line in lines)
    assert any("seed: expected an integer" in line for line in lines)
    assert any(
        "override 'model.factroy=x': model.factroy: unknown option of importpath; did you mean 'factory'?" in line
        for line in lines
    )
    assert not (tmp_path / "run").exists()


def test_show_is_yaml_that_says_where_values_came_from(yaml_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("show", yaml_file, "seed=4") == 0
    out = capsys.readouterr().out
    assert yaml.safe_load(out)["seed"] == 4
    assert "# override 'seed=4'" in out
    assert "small.yaml:" in out
    assert "# default" in out


def test_plan_and_layers(yaml_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("plan", yaml_file) == 0
    assert "1 forward and 1 gradient call for 2 trials at body" in capsys.readouterr().out
    assert cli("layers", yaml_file) == 0
    rows = capsys.readouterr().out.splitlines()
    assert next(row for row in rows if row.startswith("body ")).split()[-2:] == ["auto:", "body"]
    assert next(row for row in rows if row.startswith("stem ")).split()[1:5] == [
        "Sequential",
        "1x6x16x16",
        "16x16",
        "2",
    ]


def test_layers_are_chosen_by_name_and_their_table_fits_the_terminal(
    yaml_file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert cli("layers", yaml_file, "--match", "b*") == 0
    *table, note = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table] == ["layer", "body.0", "body.1", "body"]
    assert max(map(len, table)) <= 60
    assert re.fullmatch(r"3 of \d+ layers; \d+ modules are left out: nothing they return is laid out in space", note)
    assert cli("layers", yaml_file, "--match", "bdy*") == 2
    assert "no layer with a map is like 'bdy*'; did you mean 'body'" in capsys.readouterr().err


def test_a_name_of_another_kind_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("methods", "tanh") == 2
    assert "tanh is no method but a scaler: xaikit methods tanh --kind scaler" in capsys.readouterr().err


def test_what_is_not_there_is_said_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("run", str(tmp_path / "nowhere" / "c.yaml")) == 2
    assert f"no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err
    assert cli("run", str(tmp_path)) == 2
    assert f"expected a YAML file, got the folder {tmp_path}" in capsys.readouterr().err
    assert cli("query", str(tmp_path / "nowhere"), "SELECT 1") == 2
    assert "expected the folder of a run, there is no such folder" in capsys.readouterr().err


def test_methods_lists_and_explains(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("methods") == 0
    assert re.search(r"^layercam +LayerCAM", capsys.readouterr().out, re.MULTILINE)
    assert cli("methods", "smoothgradcampp") == 0
    card = capsys.readouterr().out
    for part in (
        "arXiv:1908.01224",
        "alpha",
        "n: int = 4",
        "std: float = 0.3",
        "needs: activations, gradients 1",
        "rectify relu",
    ):
        assert part in card
    assert cli("methods", "layrcam") == 2
    assert "no method 'layrcam'; did you mean 'layercam'" in capsys.readouterr().err
    assert cli("methods", "--kind", "scaler") == 0
    assert "tanh" in capsys.readouterr().out
    assert cli("methods", "--kind", "nothing") == 2


def test_init_writes_a_config_that_loads_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("init") == 0
    assert cli("show", "quickstart.yaml") == 0
    (tmp_path / "quickstart.yaml").write_text("mine: true")
    assert cli("init", "deep/down/mine.yaml") == 0
    assert cli("show", "deep/down/mine.yaml") == 0
    assert cli("init") == 2
    assert (tmp_path / "quickstart.yaml").read_text() == "mine: true"
    assert "exists already" in capsys.readouterr().err


def test_force_starts_over(yaml_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("run", yaml_file) == 0
    assert cli("run", yaml_file, "name=other") == 0
    assert "3 of 3 photographs are done" in capsys.readouterr().out, "a name is nothing that maps depend on"
    assert cli("run", yaml_file, "--force") == 0
    assert "0 of 3 photographs are done" in capsys.readouterr().out


def test_sweep_adds_axes_and_query_asks(yaml_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    axes = ("layers=[stem],[stem,body]", "target=0..2", "device=cpu")
    assert cli("plan", "--dry", yaml_file, *axes) == 0
    out = capsys.readouterr().out
    assert "6 points, 12 trials" in out
    assert "12 trials share 12 sets of raw maps, from 6 calls of methods a batch" in out
    assert cli("sweep", yaml_file, *axes) == 0
    assert (
        "6 points of the sweep, 12 trials (a method with its layers, target and finish) on 1 model with its data"
        in capsys.readouterr().out
    )
    sql = "SELECT label, target, count(*) AS n FROM records GROUP BY ALL ORDER BY ALL LIMIT 2"
    assert cli("query", str(tmp_path / "run"), sql) == 0
    assert capsys.readouterr().out.splitlines() == ["label    target  n", "gradcam       0  6", "gradcam       1  6"]
    assert cli("query", str(tmp_path / "run"), sql, "--csv") == 0
    assert capsys.readouterr().out.splitlines()[1] == "gradcam,0,6"
    assert cli("query", str(tmp_path / "run"), "SELECT nothing") == 2
    assert "there are the views records" in capsys.readouterr().err
    assert cli("compact", str(tmp_path / "run")) == 0
    assert cli("compare", str(tmp_path / "run"), "--measure", "area") == 0
    assert "gradcam" in capsys.readouterr().out


def test_a_command_that_finishes_maps_imports_files_only_where_they_are_trusted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = config(tmp_path, finish={"scale": f"{tmp_path}/half.py:Half"})
    (tmp_path / "half.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Half:\n"
        "    def scale(self, saliency, stride):\n        return saliency / 2\n"
    )
    folder = str(xaikit.run(values).folder)
    assert cli("compare", folder) == 2
    assert "a run folder runs no code" in capsys.readouterr().err
    assert cli("compare", folder, "--trust") == 0
    assert cli("query", folder, "FROM records") == cli("compact", folder) == cli("diff", folder, folder) == 0


def test_diff_of_two_runs_is_an_exit_code(yaml_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("run", yaml_file) == 0
    assert cli("run", yaml_file, f"report.to={tmp_path}/same") == 0
    assert cli("run", yaml_file, f"report.to={tmp_path}/other", "target=4") == 0
    assert cli("diff", str(tmp_path / "run"), str(tmp_path / "same")) == 0
    assert cli("diff", str(tmp_path / "run"), str(tmp_path / "other")) == 1
    capsys.readouterr()
    assert cli("run", yaml_file, "--shard", "3/2") == 2
    assert "expected I/N with I from 1 to N" in capsys.readouterr().err


def _imported_by(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after the code."""
    probe = f"{code}\nimport sys; print('|'.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(filter(None, done.stdout.splitlines()[-1].split("|")))


def _command(args: list[str], code: int = 0) -> str:
    """Python that runs a command and asserts its exit code."""
    return f"from xaikit.cli import main\ntry: main({args!r})\nexcept SystemExit as stop: assert (stop.code or 0) == {code}"


@pytest.mark.parametrize("args", [["--help"], ["methods"], ["methods", "--kind", "model"], ["--version"]])
def test_help_and_the_catalogue_import_nothing_heavy(args: list[str]) -> None:
    assert _imported_by(_command(args)) == set()


@pytest.mark.parametrize(
    "args",
    [
        ["show", str(CONFIGS / "quickstart.yaml"), "methods.scorecam.top_channels=8", "target={use: margin, of: 281}"],
        ["show", str(CONFIGS / "sweep.yaml")],
        ["plan", "--dry", str(CONFIGS / "quickstart.yaml")],
        ["plan", "--dry", str(CONFIGS / "sweep.yaml"), "model={source: torchvision, name: resnet18}"],
        ["methods", "rollout"],
    ],
)
def test_commands_that_compute_nothing_import_nothing_heavy(args: list[str]) -> None:
    assert _imported_by(_command(args)) == set()


def test_neither_do_those_that_read_a_run(yaml_file: str, tmp_path: Path) -> None:
    assert cli("run", yaml_file) == 0
    run = str(tmp_path / "run")
    commands = [_command(["query", run, "FROM records"]), _command(["compact", run]), _command(["show", run], 2)]
    assert "torch" not in _imported_by("\n".join([*commands, _command(["diff", run, run])]))


@pytest.mark.parametrize("command", [["show"], ["plan", "--dry"]])
def test_they_find_the_faults_that_a_run_would_find(command: list[str], tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text(
        "model: {source: torchvision, nmae: resnet18}\n"
        "data: {source: folder, path: photos, recursive: maybe}\n"
        "methods:\n  scorecam: {top_channels: 0, masks: first}\n  smoothgradcampp: {n: 0}\n  gradcm:\n"
        "target: {use: contrast, of: true}\n"
        "model.layout: {use: tokens, grid: [0, 4]}\n"
        "finish: {scale: {use: tanh, gama: 1}}\n"
    )
    with pytest.raises(xaikit.ConfigError) as caught:
        xaikit.load(faulty)
    script = f"from xaikit.cli import main; import sys; main({[*command, str(faulty)]!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip().endswith(str(caught.value).strip())
    assert str(caught.value).count("faulty.yaml:") >= 8


def test_that_the_tests_above_can_fail() -> None:
    assert _imported_by("import torch") >= {"torch"}
    assert _imported_by("import xaikit; xaikit.explain") >= {"torch"}


def test_python_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "xaikit", "methods"], capture_output=True, text=True, check=True)
    assert "gradcam" in done.stdout


def test_progress_lines_without_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xaikit.cli.progress.EVERY", 0.0)
    pictures(tmp_path / "photos")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config(tmp_path)))
    assert cli("run", str(tmp_path / "small.yaml")) == 0
    assert "3/3 100%, " in capsys.readouterr().out
