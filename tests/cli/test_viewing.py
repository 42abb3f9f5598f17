"""`xaikit view`: from a shell, until Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from helpers.run_folders import explain, of_photos, trial
from xaikit import StoreError
from xaikit.cli import main


def test_a_run_is_shown_until_ctrl_c(tmp_path: Path) -> None:
    explain(of_photos(tmp_path / "run", trial()), "a.jpg")
    command = [sys.executable, "-m", "xaikit", "view", str(tmp_path / "run"), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
    assert url
    with urlopen(f"{url[0]}plan.json") as answer:
        assert answer.read() == (tmp_path / "run" / "plan.json").read_bytes()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["view", str(tmp_path)])
    assert StoreError.__name__ in capsys.readouterr().err
