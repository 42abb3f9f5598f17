"""`xaikit view`: from a shell, until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from queue import Queue
from urllib.request import urlopen

import pytest

from helpers.run_folders import explain, of_photos, trial
from xaikit import StoreError
from xaikit.cli import main
from xaikit.cli.serving import FolderServer
from xaikit.store.pages import PAGE


def test_a_run_is_shown_until_ctrl_c(tmp_path: Path) -> None:
    explain(of_photos(tmp_path / "run", trial()), "a.jpg")
    command = [sys.executable, "-m", "xaikit", "view", str(tmp_path / "run"), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
    assert url
    with urlopen(f"{url[0]}plan.json") as answer:
        assert answer.read() == (tmp_path / "run" / "plan.json").read_bytes()
    with urlopen(url[0]) as answer:
        page = answer.read()
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page == (tmp_path / "run" / PAGE).read_bytes()
    assert b"photos/a.jpg" in page
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_the_page_is_written_where_there_is_none_and_where_the_run_has_gone_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = of_photos(tmp_path / "run", trial(), names=["a.jpg", "b.jpg"])
    explain(store, "a.jpg")
    page = tmp_path / "run" / PAGE
    opened: Queue[str] = Queue()
    monkeypatch.setattr("webbrowser.open", opened.put)
    monkeypatch.setattr(FolderServer, "serve_forever", lambda server: None)
    main(["view", str(tmp_path / "run")])
    first = page.read_bytes()
    page.write_text("mine")
    main(["view", str(tmp_path / "run")])
    assert page.read_text() == "mine"
    os.utime(page, (1, 1))
    main(["view", str(tmp_path / "run")])
    assert page.read_bytes() == first
    assert [opened.get(timeout=30)[:17] for _ in range(3)] == ["http://127.0.0.1:"] * 3


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["view", str(tmp_path)])
    assert StoreError.__name__ in capsys.readouterr().err
