"""What belongs to the whole process: lent to the code of others, and put back as it was."""

from __future__ import annotations

import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xaikit.draws import warning_filters
from xaikit.errors import PluginContract

DREW = "drew from the global random numbers"
"""How a remark on it begins."""


@dataclass(frozen=True)
class _Setting:
    """Something that any code of a process may change for all other code."""

    read: Callable[[], Any]
    put: Callable[[Any], object]


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    return (name, np.asarray(keys).tolist(), *rest)


_OF_THE_THREAD = {
    "the default device": _Setting(
        lambda: str(torch.get_default_device()),
        lambda device: torch.set_default_device(None if device == "cpu" else device),
    ),
    "grad mode": _Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "the number of threads": _Setting(torch.get_num_threads, torch.set_num_threads),
}
_OF_THE_PROCESS = {
    "the default dtype": _Setting(torch.get_default_dtype, torch.set_default_dtype),
    "deterministic algorithms": _Setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
    "the precision of matrix products": _Setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    "the working directory": _Setting(_folder, os.chdir),
}
_DRAWS = {
    "torch": _Setting(
        lambda: torch.get_rng_state().numpy().tobytes(),
        lambda state: torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
    ),
    "numpy": _Setting(_numpy_state, np.random.set_state),
    "Python": _Setting(random.getstate, random.setstate),
}


@contextmanager
def as_before(whose: str) -> Iterator[list[str]]:
    """Run the code of somebody else; what it changes of the whole process is put back. Gives remarks on what did no harm to
    others, known after the block. Where another thread of the program may have made a change, it is nobody's fault and stays.

    Raises:
        PluginContract: it changed what decides other results, or would have ended the process; what, and ``whose`` code it was.
    """
    remarks: list[str] = []
    alone = not _others()
    settings = _OF_THE_THREAD | (_OF_THE_PROCESS if alone else {})
    before, draws, filters = _read(settings), _read(_DRAWS), _filters()
    ended: BaseException | None = None
    try:
        yield remarks
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, GeneratorExit and their like pass every "except Exception"
        ended = error
    finally:
        changed = _put_back(settings, before)
        if alone and not _others():
            remarks += [f"{DREW} of {name}" for name in _put_back(_DRAWS, draws)]
            remarks += _put_back_filters(filters)
    if ended is not None:
        raise PluginContract(f"{whose}: expected an Exception where it fails, got {ended!r}") from ended
    if changed:
        raise PluginContract(
            f"{whose}: expected all of the process as it was, got a change of {' and '.join(changed)}; it was put back"
        )


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """So many threads of torch, for a while: their number decides the last bits of a sum, and what small maps cost."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _others() -> bool:
    """Whether the program has other threads than this one, those that xaikit began aside."""
    current = threading.current_thread()
    threads = [one for one in threading.enumerate() if one is not current and not one.daemon]
    return not all(one.name.startswith("xaikit") for one in threads)


def _read(settings: dict[str, _Setting]) -> dict[str, Any]:
    return {name: setting.read() for name, setting in settings.items()}


def _put_back(settings: dict[str, _Setting], before: dict[str, Any]) -> list[str]:
    """The names of those that had changed."""
    changed = [name for name, setting in settings.items() if setting.read() != before[name]]
    for name in changed:
        settings[name].put(before[name])
    return changed


def _filters() -> tuple[Any, list[Any]]:
    with warning_filters:
        return warnings.filters, list(warnings.filters)


def _put_back_filters(before: tuple[Any, list[Any]]) -> list[str]:
    with warning_filters:
        filters, content = before
        if warnings.filters is filters and list(filters) == content:
            return []
        warnings.filters, filters[:] = filters, content
        warnings._filters_mutated()  # type: ignore[attr-defined]
        return ["changed the filters of Python's warnings, which were put back"]
