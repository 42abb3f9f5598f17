"""The notebook runs from top to bottom, and a report in it shows itself."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "see.ipynb"


# of traitlets and zmq, not of ours
@pytest.mark.filterwarnings("default")
def test_every_cell_runs_and_the_report_shows_its_page(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs")] == []
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output["data"] for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    (page,) = [data["text/html"] for data in shown if "text/html" in data and "srcdoc" in data["text/html"]]
    assert page.startswith("<iframe ")
    assert "data:image/webp;base64," in page
    assert (tmp_path / "runs" / "notebook" / "manifest.json").exists()
