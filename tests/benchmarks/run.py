"""Measure all, print the tables, and leave JSON and page: ``python tests/benchmarks/run.py --json docs/benchmarks.json``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
if not __package__:  # run as a script
    sys.path.insert(0, str(TESTS))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks import page, results, rows  # noqa: E402

MEMORY_ROUNDS = 3


def main(args: argparse.Namespace) -> None:
    """One process for each setting of the allocator, and one for each peak of memory."""
    settings = ["default", "fixed"] if args.allocator == "both" else [args.allocator]
    if args.device == "cuda":
        settings = ["cuda"]
    timed = {setting: timings(setting, args) for setting in settings}
    benchmark = {
        "command": "python tests/benchmarks/run.py " + " ".join(sys.argv[1:]),
        "rounds": args.rounds,
        "slow_rounds": min(args.rounds, rows.SLOW_ROUNDS),
        "memory_rounds": min(args.rounds, MEMORY_ROUNDS),
        "facts": timed[settings[0]]["facts"],
        "settings": {setting: outcome(setting, timed[setting], args) for setting in settings},
    }
    show(benchmark)
    if args.json:
        page.write(args.json, benchmark)


def outcome(setting: str, timed: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """The rows of one setting, in the order of ``rows.py``."""
    figures = []
    for row in rows.chosen(args.rows):
        measured = peaks(row, setting, args) if row.measure == "MiB" else timed["seconds"][row.title]
        figures.append(results.result(row, measured))
    return {"allocator": timed["allocator"], "rows": figures}


def timings(setting: str, args: argparse.Namespace) -> dict[str, Any]:
    """What ``timing.py`` measures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "timings.json"
        fresh("timing", setting, args.device, str(args.rounds), args.rows, str(path))
        timed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return timed


def peaks(row: rows.Row, setting: str, args: argparse.Namespace) -> dict[str, list[float]]:
    """What ``memory.py`` measures."""
    count = min(args.rounds, MEMORY_ROUNDS)
    print(f"{setting}: {row.title}", file=sys.stderr, flush=True)
    return {
        name: [float(fresh("memory", setting, args.device, row.title, name)) for _ in range(count)]
        for name in row.compared
    }


def fresh(module: str, *args: str) -> str:
    """What a module prints that is run in a fresh process, where the peers' bars are off."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", f"benchmarks.{module}", *args]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def show(benchmark: dict[str, Any]) -> None:
    """The tables in the terminal."""
    for name, setting in benchmark["settings"].items():
        table = Table(*page.HEADER, title=f"{name}: {setting['allocator']}")
        for row in setting["rows"]:
            table.add_row(*page.cells(row))
        Console(width=None if sys.stdout.isatty() else 200).print(table)


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description="Measure xaikit beside the bare forward and its peers.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", default="", metavar="PART", help="only rows whose title holds this")
    parser.add_argument("--allocator", choices=["default", "fixed", "both"], default="both")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="on cuda the allocator plays no part")
    parser.add_argument("--json", type=Path, help="write the figures here, and the page beside them (.md)")
    return parser.parse_args()


if __name__ == "__main__":
    main(parsed())
