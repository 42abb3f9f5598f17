"""The figures of ``cuda.sh`` as one JSON: ``python tests/benchmarks/gpu.py OUT [DOCS]``; with DOCS also in the page there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import page


def gathered(out: Path) -> dict[str, Any]:
    """What the steps left, whichever went through."""
    tables = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("table-*.json"))]
    sweep = (out / "sweep.out").read_text(encoding="utf-8")
    return {
        "facts": tables[0]["facts"] if tables else {},
        "rows": [row for table in tables for setting in table["settings"].values() for row in setting["rows"]],
        "sweep": json.loads(sweep)["trials"] if sweep.strip() else {},
        "checks": checks(out / "checks.xml"),
    }


def checks(file: Path) -> dict[str, Any]:
    """How many checks of tests/device there were, and which failed."""
    cases = list(ElementTree.parse(file).iter("testcase")) if file.exists() else []
    failed = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return {"count": len(cases), "failed": failed}


def main(out: Path, docs: Path | None = None) -> None:
    """Leave the figures in the folder, and in that of the documentation."""
    figures = gathered(out)
    for folder in (out, docs) if docs is not None else (out,):
        page.write(folder / page.FILES["gpu"], figures)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
