"""Who else runs: explanations of one model queue, and a switch of the process is put back by the last who needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any
from weakref import ref

from torch import nn

_mutex = threading.Lock()


_locks: dict[int, tuple[ref[nn.Module], Any]] = {}
"""By the id of a module as long as it lives, and not in it: a model may copy or pickle itself. Models that share a module
share its lock."""


@contextmanager
def queued(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Wait until no other thread explains the model of these modules, or one that shares some of them; reentrant."""
    with ExitStack() as stack:
        for lock in _locks_of(modules):
            stack.enter_context(lock)
        yield


def _locks_of(modules: Sequence[nn.Module]) -> list[Any]:
    """In the same order for everybody, so that nobody waits in a circle."""
    with _mutex:
        locks = {id(lock): lock for module in modules if id(module) in _locks for lock in _locks[id(module)][1:]}
        locks = locks or {0: threading.RLock()}
        (first, *_) = locks.values()
        for key, module in ((id(module), module) for module in modules if id(module) not in _locks):
            _locks[key] = ref(module, partial(_locks.pop, key)), first
    return [lock for _, lock in sorted(locks.items())]


class ProcessSwitch:
    """A switch of the whole process: turned by the first of several threads that need it, put back by the last.

    Args:
        turned: gives a context manager that turns it and puts it back.
    """

    def __init__(self, turned: Callable[[], AbstractContextManager[Any]]) -> None:
        self._turned = turned
        self._mutex = threading.Lock()
        self._users = 0
        self._stack = ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Turned for the length of the block at least."""
        with self._mutex:
            if self._users == 0:
                self._stack.enter_context(self._turned())
            self._users += 1
        try:
            yield
        finally:
            with self._mutex:
                self._users -= 1
                if self._users == 0:
                    self._stack.close()
