"""The checks of this folder on a virtual accelerator, in a process of its own: what registers a backend does so for good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).parent
PARTS = sorted(path.stem for path in HERE.glob("checks_*.py"))


class Result(NamedTuple):
    part: str
    name: str
    failure: str


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Of every check, its part and why it failed, if it did."""
    file = tmp_path_factory.mktemp("virtual") / "results.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "python_files=checks_*.py"]
    done = subprocess.run(
        [*command, f"--junitxml={file}", "--tb=short", str(HERE)],
        env=os.environ | {"XAIKIT_DEVICE": "virt"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert file.exists(), done.stdout + done.stderr
    return [
        Result(
            case.get("classname", "").rpartition(".")[2],
            case.get("name", ""),
            "".join(each.text or "" for each in case),
        )
        for case in ElementTree.parse(file).iter("testcase")
    ]


@pytest.mark.parametrize("part", PARTS)
def test_the_checks_on_a_virtual_accelerator(part: str, results: list[Result]) -> None:
    checked = [result for result in results if result.part == part]
    failures = [f"{result.name}\n{result.failure}" for result in checked if result.failure]
    assert checked
    assert not failures, "\n\n".join(failures)
