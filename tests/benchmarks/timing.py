"""Seconds, all sides of a row by turns: one process for one setting of the allocator."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.machine import facts
from benchmarks.rows import Row, chosen, subject
from benchmarks.sides import Side, Subject
from xaikit.passes import allocator

Measured = dict[str, list[float]]


def timed(side: Side, on: Subject) -> float:
    """The seconds of one call; what it leaves behind is cleared off before and after, unmeasured."""
    gc.collect()
    _finish(on)
    began = time.perf_counter()
    made = side(on)
    _finish(on)
    seconds = time.perf_counter() - began
    del made
    on.model.zero_grad(set_to_none=True)
    return seconds


def _finish(on: Subject) -> None:
    if on.inputs.is_cuda:
        torch.cuda.synchronize()


def measured(row: Row, rounds: int, device: str, clock: Callable[[Side, Subject], float] = timed) -> Measured:
    """Seconds by side and round. Each round starts with another side; the slow ones take part in the first rounds only.

    One round of warming up comes before, for the slow ones on one small input.
    """
    whole, small = subject(row.net, row.batch, device=device), subject(row.net, 1, size=64, device=device)
    sides = row.compared
    for name, side in sides.items():
        clock(side, small if name in row.slow else whole)
    seconds: Measured = {name: [] for name in sides}
    names = list(sides)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            if turn < row.rounds(name, rounds):
                seconds[name].append(clock(sides[name], whole))
    return seconds


def main(setting: str, device: str, rounds: str, part: str, path: str) -> None:
    """Measure, and leave the facts and the seconds in a JSON file."""
    if setting == "fixed":
        allocator.settle()
    timed: dict[str, Any] = {"facts": facts(device), "allocator": allocator.describe(), "seconds": {}}
    for row in chosen(part):
        if row.measure == "s":
            print(f"{setting}: {row.title}", file=sys.stderr, flush=True)
            timed["seconds"][row.title] = measured(row, int(rounds), device)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(timed, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
