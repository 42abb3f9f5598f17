"""``xaikit check``: a readable table, what fails with how to see it again, and an exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from xaikit.cli import main
from xaikit.cli.commands import commands

MINE = '''"""Mine."""

from dataclasses import dataclass

from xaikit import Needs


@dataclass(frozen=True)
class Helper:
    """Something else in the same file."""


@dataclass(frozen=True)
class MyCam:
    """L = mean_k A_k, with an option that does nothing."""

    power: float = 2.0
    needs = Needs(scores=False)

    def explain(self, view):
        return view.activations.mean(view.channel)
'''


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands, ["check", *args])
    return result.exit_code, result.output


def test_an_installed_method_keeps_its_contract() -> None:
    code, output = run("hirescam", "--only", "trait_complete", "--only", "needs_are_used")
    assert code == 0
    assert output.splitlines()[0].strip() == "method hirescam"
    assert [line.split()[1:4:2] for line in output.splitlines() if "│" in line] == [
        ["needs_are_used", "ok"],
        ["trait_complete", "ok"],
    ]
    assert output.splitlines()[-1] == "2 of 2 checks hold"


def test_other_kinds_are_checked_too() -> None:
    code, output = run("minmax", "--kind", "normalizer")
    assert code == 0
    assert "range_is_at_most_one" in output


def test_a_file_that_is_not_installed_is_checked_and_what_fails_can_be_seen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mycam.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    code, output = run("./mycam.py")
    assert code == 1
    failed = [line for line in output.splitlines() if "FAILED" in line]
    assert [line.split()[1] for line in failed] == ["every_option_changes_something"]
    assert "option power: expected it to change the map on one of the kit's nets, and it changes nothing" in output
    assert "again: xaikit check ./mycam.py --only every_option_changes_something" in output
    code, output = run("./mycam.py:MyCam", "--only", "every_option_changes_something")
    assert code == 1
    assert output.splitlines()[-1] == "0 of 1 checks hold"


METRIC = '''"""Mine."""

import math
from dataclasses import dataclass

from xaikit.metric import MetricNeeds


@dataclass(frozen=True)
class Spread:
    """How unequal a map is, without a word on maps that are 0."""

    needs = MetricNeeds()
    reads = "rectified"
    family = "complexity"
    equation = "M = max m / sum m"
    citation = "no paper"
    higher_is_better = True
    range = (0.0, 1.0)

    def measure(self, view):
        maps = view.maps.flatten(2)
        return maps.amax(2) / maps.sum(2)
'''


def test_a_metric_is_checked_by_its_name_and_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = run("sparseness", "--only", "card_is_complete", "--only", "the_truth_is_better_than_noise")
    assert (code, output.splitlines()[0].strip()) == (0, "metric sparseness")
    (tmp_path / "mine.py").write_text(METRIC)
    monkeypatch.chdir(tmp_path)
    code, output = run("./mine.py")
    assert code == 1
    assert [line.split()[1] for line in output.splitlines() if "FAILED" in line] == ["no_value_has_a_reason"]
    assert "again: xaikit check ./mine.py --kind metric --only no_value_has_a_reason" in output
    assert run("./mine.py:Spread", "--kind", "metric", "--only", "no_value_has_a_reason")[0] == 1


@pytest.mark.parametrize(
    ("use", "text", "message"),
    [
        ("mine.py", METRIC.replace("    range = (0.0, 1.0)\n", ""), "metric './mine.py': Spread lacks range"),
        ("mine.py:Spread", METRIC.replace("    range = (0.0, 1.0)\n", ""), "Spread lacks range"),
        ("mine.py", METRIC.replace("import math", "import nowhere"), "failed to import: ModuleNotFoundError"),
        ("mine.py", METRIC.replace("def measure", "def weigh"), "expected one class with explain()"),
        ("mine.py:Spread", METRIC.replace("def measure", "def weigh"), "Spread lacks explain"),
    ],
)
def test_a_file_that_is_no_metric_says_what_it_lacks(
    use: str,
    text: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["check", f"./{use}"])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_one_cause_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text(MINE.replace("return", "raise KeyError('oh')  #"))
    monkeypatch.chdir(tmp_path)
    code, output = run("./broken.py")
    assert code == 1
    reasons = [line for line in output.splitlines() if "got KeyError: 'oh'" in line]
    assert len(reasons) == len(set(reasons)) < output.count("FAILED")
    assert "  the same: " in output


@pytest.mark.parametrize(
    ("args", "output"),
    [
        (["check", "gradcm"], "xaikit: UnknownPlugin: no method 'gradcm'; did you mean 'gradcam'"),
        (
            ["check", "gradcam", "--only", "trait_liner"],
            "xaikit: ConfigError: no check 'trait_liner'; did you mean 'trait_linear'",
        ),
        (["check", "spareness"], "xaikit: UnknownPlugin: no metric 'spareness'; did you mean 'sparseness'?"),
        (
            ["check", "max"],
            "xaikit: ConfigError: max: expected a plugin of one kind, got a normalizer and a fuser: say which",
        ),
        (["check", "./nowhere.py"], "xaikit: UnknownPlugin: method './nowhere.py': there is no file"),
    ],
)
def test_what_cannot_be_checked_is_an_error_at_once(
    args: list[str], output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(args)
    assert left.value.code == 2
    assert output in capsys.readouterr().err


def test_a_file_with_several_classes_needs_the_name_of_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.py"
    path.write_text(MINE + MINE.replace("MyCam", "YourCam"))
    with pytest.raises(SystemExit):
        main(["check", str(path)])
    assert "expected one class with explain(), got MyCam, YourCam; write two.py:CLASS" in capsys.readouterr().err
