"""The page of a run folder is known to be the run's own, and known to be whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from xaikit.errors import DamagedFile
from xaikit.store.folder import Disk
from xaikit.store.pages import PAGE, check_page, is_own_page, run_pages, save_page


@pytest.mark.parametrize("name", [PAGE, "report/0.js"])
def test_a_page_bears_its_checksum(tmp_path: Path, name: str) -> None:
    folder = Disk(tmp_path)
    save_page(folder, name, "some text\n")
    assert run_pages(folder) == [name]
    check_page(folder, name)
    assert is_own_page(folder, name)
    path = tmp_path / name
    path.write_text(path.read_text().replace("some", "other"))
    with pytest.raises(DamagedFile, match="does not match its checksum"):
        check_page(folder, name)


def test_another_s_file_is_nobody_s_business(tmp_path: Path) -> None:
    folder = Disk(tmp_path)
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    check_page(folder, "mine.html")
    assert not is_own_page(folder, "mine.html")
