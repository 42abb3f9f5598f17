"""Peak memory over the loaded model, each call in a fresh process, since a peak is the process's."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

import torch

from benchmarks.rows import ROWS, subject
from xaikit.passes import allocator

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak() -> float:
    """The most memory this process ever had, in MiB.

    Linux hands ``ru_maxrss`` down from the process that started this one; the kernel's own mark is not handed down.
    """
    if STATUS.exists():
        return int(re.findall(r"VmHWM:\s*(\d+) kB", STATUS.read_text())[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def forget() -> None:
    """Start the peak anew at what is held now, where the kernel can."""
    with contextlib.suppress(OSError):
        FORGET.write_text("5")


def grown(title: str, name: str, device: str) -> float:
    """MiB that one call takes at its peak beyond the model, its inputs, and all code loaded by a small call."""
    row = next(row for row in ROWS if row.title == title)
    side = row.compared[name]
    whole = subject(row.net, row.batch, device=device)
    side(subject(row.net, 1, size=64, device=device))
    whole.model.zero_grad(set_to_none=True)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        side(whole)
        return (torch.cuda.max_memory_allocated() - held) / 2**20
    forget()
    held = peak()
    side(whole)
    return peak() - held


def main(setting: str, device: str, title: str, name: str) -> None:
    """Print the MiB."""
    if setting == "fixed":
        allocator.settle()
    print(grown(title, name, device))


if __name__ == "__main__":
    main(*sys.argv[1:])
