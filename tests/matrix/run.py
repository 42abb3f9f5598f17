"""All methods on all architectures: ``python tests/matrix/run.py --json docs/coverage.json``, and ``--check`` in CI."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
if not __package__:  # run as a script
    sys.path[0] = str(TESTS)

import torch  # noqa: E402
from rich.console import Console  # noqa: E402

from matrix import architectures, cells, page  # noqa: E402

COMMITTED = TESTS.parent / "docs" / "coverage.json"
CONSOLE = Console(width=None if sys.stdout.isatty() else 200, highlight=False)


def main(args: argparse.Namespace) -> int:
    """0 if every cell is a map, a named nothing or a refusal, and with ``--check`` the same as those committed."""
    methods = args.methods or available()
    only = covering(committed()["architectures"]) if args.cover else args.only
    chosen = [name for name in architectures.ARCHITECTURES if not only or name in only]
    began = time.perf_counter()
    rows: dict[str, Any] = {}
    matrix = {
        "options": {method: options for method, options in cells.OPTIONS.items() if method in methods},
        "samples": architectures.SAMPLES,
        "versions": page.versions(),
        "architectures": rows,
    }
    for name, row in computed(chosen, methods, args.jobs):
        rows[name] = row
        report(name, row, f"{len(rows)}/{len(chosen)}")
        if args.json:
            args.json.write_text(json.dumps(matrix, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    count = Counter(cells.kind_of(cell) for row in rows.values() for cell in row["cells"].values())
    seconds = sum(row["seconds"] for row in rows.values())
    CONSOLE.print(f"{summary(count)}: {seconds:.0f} s of CPU, {time.perf_counter() - began:.0f} s")
    if args.json:
        args.json.with_suffix(".md").write_text(page.page(matrix), encoding="utf-8")
    differences = list(differing(committed(), matrix)) if args.check else []
    for difference in differences:
        CONSOLE.print(difference, markup=False)
    return int(bool(count["wrong"] or differences))


def committed() -> Any:
    """The matrix as it was committed."""
    return json.loads(COMMITTED.read_text(encoding="utf-8"))


def covering(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Architectures that are dear by little and together show one of every kind, and of every method all that becomes of it.

    >>> cheap = {"kind": "classifier", "seconds": 1, "cells": {"cam": "map"}}
    >>> covering({"dear": {**cheap, "seconds": 9}, "cheap": cheap, "zero": {**cheap, "cells": {"cam": "zero"}}})
    ['cheap', 'zero']
    """
    facts = {
        name: {(method, cells.kind_of(cell)) for method, cell in row["cells"].items()} | {("", row["kind"])}
        for name, row in rows.items()
    }
    left, chosen = set().union(*facts.values()), list[str]()
    while left:
        chosen.append(max(rows, key=lambda name: len(facts[name] & left) / rows[name]["seconds"]))
        left -= facts[chosen[-1]]
    return chosen


def available() -> list[str]:
    """The methods that can be imported; the others are named."""
    methods = []
    for method in cells.built_in():
        try:
            cells.REGISTRY.find("method", method)
        except Exception as error:
            CONSOLE.print(f"without {method}: {error}", markup=False)
        else:
            methods.append(method)
    return methods


def computed(names: Sequence[str], methods: Sequence[str], jobs: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows as they are done; in several processes, of one thread each."""
    if jobs == 1:
        yield from ((name, computed_row(name, methods)) for name in names)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=prepared, initargs=(str(TESTS),)) as pool:
        yield from zip(names, pool.map(computed_row, names, [methods] * len(names)), strict=True)


def prepared(tests: str) -> None:
    """A worker finds its modules where the script does."""
    if tests not in sys.path:
        sys.path.insert(0, tests)


def computed_row(name: str, methods: Sequence[str]) -> dict[str, Any]:
    """One row."""
    torch.set_num_threads(1)
    return cells.row(architectures.ARCHITECTURES[name], methods)


def report(name: str, row: Mapping[str, Any], place: str) -> None:
    """A line for one architecture, and one for every cell that is wrong."""
    count = Counter(cells.kind_of(cell) for cell in row["cells"].values())
    CONSOLE.print(f"{place} {name}: {summary(count)}, {row['seconds']} s; {', '.join(row['layers'])}", markup=False)
    for method, cell in row["cells"].items():
        if cells.kind_of(cell) == "wrong":
            CONSOLE.print(f"    {method}: {cell}", markup=False)


def summary(count: Mapping[str, int]) -> str:
    """How many of each kind there are.

    >>> summary({"map": 3, "wrong": 1})
    '3 map, 1 wrong'
    """
    return ", ".join(f"{count[kind]} {kind}" for kind in cells.KINDS if count.get(kind))


def differing(committed: Mapping[str, Any], matrix: Mapping[str, Any]) -> Iterator[str]:
    """What is not as it was committed: layers, and what became of a cell."""
    for name, row in matrix["architectures"].items():
        row_before = committed["architectures"].get(name)
        if row_before is None:
            yield f"{name}: not in the committed JSON"
            continue
        if row["layers"] != row_before["layers"]:
            yield f"{name}: layers: expected {row_before['layers']}, got {row['layers']}"
        for method, cell in row["cells"].items():
            before = row_before["cells"].get(method, "nothing")
            if cells.kind_of(cell) != cells.kind_of(before):
                yield f"{name}, {method}: expected {before}, got {cell}"


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description="Every method on every architecture.")
    parser.add_argument("--json", type=Path, help="write the matrix here, and the page beside it (.md)")
    parser.add_argument("--only", nargs="+", default=[], metavar="ARCH", choices=[*architectures.ARCHITECTURES])
    parser.add_argument(
        "--cover", action="store_true", help="few that show all that becomes of every method, as CI does"
    )
    parser.add_argument("--methods", nargs="+", default=[], metavar="METHOD", choices=cells.built_in())
    parser.add_argument(
        "--check", action="store_true", help=f"compare with {COMMITTED.name}, and fail where it differs"
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(parsed()))
