"""How commands end, as a shell sees it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

import xaikit
from helpers.resumed_runs import PHOTOGRAPHS, config_in
from helpers.runs import pictures
from xaikit.cli import main

XAIKIT = [sys.executable, "-m", "xaikit"]
METHOD = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from xaikit import Needs

@dataclass(frozen=True)
class Mine:
    needs: ClassVar[Needs] = Needs()
    def explain(self, view):
        BODY
        return view.activations.mean(2)
"""


def written(folder: Path, body: str = "pass", **changes: Any) -> str:
    (folder / "mine.py").write_text(METHOD.replace("BODY", body))
    values = {**config_in(folder), "methods": {"slow": {"use": f"{folder}/mine.py:Mine"}}, **changes}
    (folder / "c.yaml").write_text(yaml.safe_dump(values))
    return str(folder / "c.yaml")


def cli(*arguments: str) -> int:
    try:
        main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_signal_commits_the_shard_and_is_the_exit_code(tmp_path: Path) -> None:
    calls, told = tmp_path / "calls", tmp_path / "told"
    body = f"""calls, told = Path({str(calls)!r}), Path({str(told)!r})
        calls.open("a").write(".")
        while calls.stat().st_size >= 3 and not told.exists():
            time.sleep(0.01)"""
    process = subprocess.Popen([*XAIKIT, "run", written(tmp_path, body)], stdout=subprocess.PIPE, text=True)
    # two batches are a shard: while the third is explained, nothing is being written
    while not calls.exists() or calls.stat().st_size < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    told.touch()
    out, _ = process.communicate()
    assert process.returncode == 143
    assert "stopped early" in out
    assert not list((tmp_path / "run" / "leases").iterdir())
    report = xaikit.open(tmp_path / "run")
    assert 4 <= len(report.images) < len(PHOTOGRAPHS)
    assert len(report.images) % 2 == 0, "in whole batches"
    assert "terminated: finishing 2 photographs; again to stop now" in out
    assert report.counts["explained"] == len(report.images)
    assert report.stopped == "terminated"


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGHUP", 129)])
def test_every_signal_has_its_code_and_the_second_one_gets_through(tmp_path: Path, name: str, code: int) -> None:
    kill = f"os.kill(os.getpid(), signal.{name})"
    once = f"import os, signal, pathlib; flag = pathlib.Path({str(tmp_path / 'told')!r}); flag.exists() or {kill}; flag.touch()"
    assert cli("run", written(tmp_path, once)) == code
    assert len(xaikit.open(tmp_path / "run").images) == 2
    if name == "SIGINT":
        assert cli("run", written(tmp_path, f"import os, signal; {kill}; {kill}")) == 130
        assert xaikit.open(tmp_path / "run").stopped == "KeyboardInterrupt"


@pytest.mark.parametrize("body", ["sys.exit(0)", "import torch; torch.set_default_dtype(torch.float64)"])
def test_a_plugin_that_would_end_or_change_the_process_is_a_failure(
    tmp_path: Path, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("run", written(tmp_path, body)) == 1
    out = capsys.readouterr().out
    assert "00.png, slow: PluginContract: " in out
    assert "while explaining slow (" in out


def test_a_plugin_file_that_ends_the_process_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    (tmp_path / "mine.py").write_text("import sys\nsys.exit(0)\n")
    assert cli("run", path) == 2
    assert "mine.py:Mine' failed to import: SystemExit: 0" in capsys.readouterr().err


def test_output_that_nobody_reads_ends_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*XAIKIT, "methods"], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_letters_that_a_terminal_does_not_have_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "pass", methods={"größe": {"use": "gradcam"}})
    pictures(tmp_path / "photos", ("日本.png",))
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert cli("run", path) == 0
    assert cli("query", str(tmp_path / "run"), "SELECT DISTINCT name FROM records ORDER BY 1 DESC") == 0
    assert b"gr" in terminal.buffer.getvalue()  # type: ignore[attr-defined]
