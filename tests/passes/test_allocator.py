"""The allocator is the process's, so every case is a process of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.runs import config
from xaikit.passes import allocator

FIXED = "glibc malloc, thresholds fixed (mmap 1 GiB, trim 2 GiB)"
DEFAULT = "glibc malloc, default thresholds"
# mallinfo counts the allocations that are mappings of their own: those that the kernel gets back as soon as they are freed
MAPPED = """
import ctypes
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in "arena ordblks smblks hblks".split()] + [("rest", ctypes.c_int * 6)]

libc = ctypes.CDLL(None)
libc.mallinfo.restype = Info
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def is_mapped():
    before = libc.mallinfo().hblks
    block = libc.malloc(ctypes.c_size_t(2**26))
    mapped = libc.mallinfo().hblks > before
    libc.free(block)
    return mapped
"""
EXPLAINED = """
import torch, xaikit
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5))
xaikit.explain(net, torch.rand(2, 3, 8, 8))
print(allocator.describe(), is_mapped(), sep="|")
"""
ON_GLIBC = platform.libc_ver()[0] == "glibc"
PRELUDE = "import sys\nfrom xaikit.passes import allocator\n" + (MAPPED if ON_GLIBC else "")
glibc = pytest.mark.skipif(not ON_GLIBC, reason="about glibc")


def printed(code: str, **environment: str) -> list[str]:
    """The lines that the code prints in a process that has none of the variables but these."""
    environ = {name: value for name, value in os.environ.items() if name not in allocator.USERS}
    command = [sys.executable, "-c", PRELUDE + code]
    done = subprocess.run(command, env=environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def fields(code: str, **environment: str) -> list[str]:
    """What stands between bars in the last of those lines."""
    return printed(code, **environment)[-1].split("|")


SETTLED = "print(allocator.describe(), is_mapped(), allocator.settle(), allocator.describe(), is_mapped(), sep='|')"


@glibc
def test_settled_large_blocks_stay_with_the_process() -> None:
    assert fields(SETTLED) == [DEFAULT, "True", FIXED, FIXED, "False"]


@glibc
def test_freed_memory_is_not_trimmed() -> None:
    assert fields(
        "allocator.settle(); libc.free(libc.malloc(ctypes.c_size_t(2**26))); print(libc.mallinfo().arena >= 2**26)"
    ) == ["True"]


@glibc
def test_settling_twice_is_settling_once() -> None:
    assert fields("allocator.settle(); print(allocator.settle(), is_mapped(), sep='|')") == [FIXED, "False"]


@glibc
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_MMAP_THRESHOLD_", "131072"),
        ("MALLOC_TRIM_THRESHOLD_", "2147483648"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=131072"),
    ],
)
def test_thresholds_of_the_environment_stay(name: str, value: str) -> None:
    ours = f"glibc malloc, thresholds from the environment ({name})"
    assert fields(SETTLED, **{name: value}) == [ours, "True", ours, ours, "True"]


@glibc
def test_a_preloaded_allocator_is_left_alone() -> None:
    ours = "the allocator of LD_PRELOAD=libm.so.6, or else the system's"
    assert fields(SETTLED, LD_PRELOAD="libm.so.6") == [ours, "True", ours, ours, "True"]


@glibc
def test_the_two_variables_of_the_documentation_do_the_same() -> None:
    both = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483647"}
    ours = f"glibc malloc, thresholds from the environment ({', '.join(both)})"
    assert fields("print(allocator.describe(), is_mapped(), sep='|')", **both) == [ours, "False"]


@glibc
@pytest.mark.parametrize(("refused", "values"), [("MMAP", "[-3]"), ("TRIM", "[-3, -1]")])
def test_refused_the_mmap_threshold_the_other_is_not_touched(refused: str, values: str) -> None:
    code = f"""
values = []
class Refusing:
    def mallopt(self, which, value):
        values.append(which)
        return int(which != allocator.M_{refused}_THRESHOLD)
allocator.ctypes.CDLL = lambda name: Refusing()
print(allocator.settle(), values, sep="|")
"""
    assert fields(code) == [DEFAULT, values]


def test_elsewhere_nothing_is_done() -> None:
    code = "allocator.platform.libc_ver = lambda: ('', '')\nallocator.ctypes.CDLL = None\nprint(allocator.settle())"
    assert fields(code) == ["the system's malloc"]


@glibc
def test_the_library_leaves_it_alone() -> None:
    assert fields(EXPLAINED) == [DEFAULT, "True"]


@pytest.mark.parametrize("environment", [{}, {"MALLOC_TRIM_THRESHOLD_": "2147483647"}], ids=["free", "chosen"])
def test_run_settles_it_before_torch_is_there_and_says_so(tmp_path: Path, environment: dict[str, str]) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(config(tmp_path, methods="gradcam")))
    code = f"""
import json
from xaikit.cli.commands import commands
settle = allocator.settle
allocator.settle = lambda: print("torch" in sys.modules) or settle()
commands(["run", {str(path)!r}, "-v"], standalone_mode=False)
print(json.load(open({str(tmp_path / "run" / "manifest.json")!r}))["allocator"])
"""
    lines = printed(code, **environment)
    assert lines[0] == "False"
    assert f"allocator: {lines[-1]}" in lines
    if ON_GLIBC:
        ours = "glibc malloc, thresholds from the environment (MALLOC_TRIM_THRESHOLD_)"
        assert lines[-1] == (ours if environment else FIXED)
