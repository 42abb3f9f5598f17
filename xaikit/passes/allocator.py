"""The allocator of this process; the command line and the benchmarks settle it, the library never does.

glibc gives every large tensor back to the kernel, which then has to clear and map the same pages again in every forward: on the
CPU that was up to half of its time. With both thresholds fixed the memory stays with the process. The trim threshold alone is
worse than nothing, as it freezes the other one at 128 KiB.
"""

from __future__ import annotations

import ctypes
import os
import platform

# of malloc.h; mallopt takes a C int, so that 2 GiB are one byte less
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


TRIM, MMAP = 2**31 - 1, 2**30


USERS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")


_fixed = False


def settle() -> str:
    """Fix both thresholds of glibc, unless the user chose something himself; say which allocator runs.

    The mmap threshold comes first: a glibc that refuses it (older ones take 32 MiB at most) keeps both at their default.
    """
    global _fixed
    if not _fixed and _is_glibc() and not _chosen():
        mallopt = ctypes.CDLL(None).mallopt
        _fixed = bool(mallopt(M_MMAP_THRESHOLD, MMAP) and mallopt(M_TRIM_THRESHOLD, TRIM))
    return describe()


def describe() -> str:
    """Which allocator runs."""
    chosen = _chosen()
    if "LD_PRELOAD" in chosen:
        return f"the allocator of LD_PRELOAD={os.environ['LD_PRELOAD']}, or else the system's"
    if not _is_glibc():
        return "the system's malloc"
    if chosen:
        return f"glibc malloc, thresholds from the environment ({', '.join(chosen)})"
    return f"glibc malloc, {'thresholds fixed (mmap 1 GiB, trim 2 GiB)' if _fixed else 'default thresholds'}"


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"


def _chosen() -> list[str]:
    return [name for name in USERS if os.environ.get(name)]
