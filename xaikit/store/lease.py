"""Who writes to a run folder: everyone has a lease there, a small file that says when it was last heard of.

Two claims at one instant never both win: each writes its file first and looks for others then, so that one of two sees
the other; of two that have not decided yet, the smaller token goes first. Behind a URL that is as good as the listing of
the store is current.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

from xaikit.errors import StoreError
from xaikit.store.atomic import lives
from xaikit.store.folder import Folder
from xaikit.store.tables import writable

LEASES = "leases"
BEAT = 10.0
"""Seconds between two signs of life."""

STALE = 60.0
"""Seconds without one after which a lease counts for nothing."""

COMPACT = "compact"
_BYTES = 1024  # of a file, so that it is overwritten in place and never seen short
_live: dict[str, int] = {}
"""The leases of this process, by token: the thread that took them."""


@cache
def _machine() -> str:
    """Whose process ids are ours: a container has its own, and they begin anew with every boot."""
    with suppress(OSError):
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    return "" if os.name == "nt" else socket.gethostname()


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, or is about to.

    share    "i/n" of a shard job, "compact", "" of who does the whole
    work     a digest of the config
    machine  whose process ids these are: boot and namespace
    held     False as long as it is not decided
    heard    when it gave its last sign of life, in seconds since 1970 by its own clock
    """

    share: str = ""
    work: str = ""
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    host: str = field(default_factory=socket.gethostname)
    machine: str = field(default_factory=_machine)
    pid: int = field(default_factory=os.getpid)
    held: bool = False
    heard: float = field(default_factory=time.time)

    def __str__(self) -> str:
        whose = {"": "a run", COMPACT: COMPACT}.get(self.share, f"the shard job {self.share}")
        return (
            f"{whose} on host {self.host}, pid {self.pid}, last heard of {max(0, time.time() - self.heard):.0f} s ago"
        )

    def excludes(self, other: Holder) -> bool:
        """Whether the two may not write side by side: all but shard jobs of one work, each with a share of its own."""
        (part, _, parts), (other_part, _, other_parts) = self.share.partition("/"), other.share.partition("/")
        return not parts or (parts, self.work) != (other_parts, other.work) or part == other_part

    def is_live(self) -> bool:
        """Whether it was heard of within a minute and, where its process can be asked for, that lives."""
        if self.machine == _machine():
            if self.pid == os.getpid():
                return self.token in _live
            if not lives(self.pid):
                return False
        return time.time() - self.heard < STALE


@dataclass
class Lease:
    """A lease that is held; ``taken_over`` names those who left theirs behind."""

    folder: Folder
    holder: Holder
    taken_over: tuple[Holder, ...] = ()
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """Of its file."""
        return _name(self.holder.token)

    def check(self) -> None:
        """Raises StoreError where somebody has taken it over: this process was not heard of for too long."""
        if self.folder.size(self.name) is None:
            raise StoreError(
                f"{self.folder}: this run was not heard of for a minute, and its lease was taken over; what it has "
                "finished is kept"
            )

    def keep_alive(self) -> None:
        """Give a sign of life every few seconds until it is released."""
        while not self._ended.wait(BEAT):
            try:
                self.folder.overwrite(self.name, _encoded(replace(self.holder, heard=time.time())))
            except FileNotFoundError:
                return
            except OSError:
                continue  # a disk may be away for a moment


@contextmanager
def leased(folder: Folder, share: str = "", work: str = "") -> Iterator[Lease]:
    """Hold a lease while the block runs. Where another thread of this process has it, that one is waited for.

    Raises:
        StoreError: somebody who is alive writes there; the message says who, and when they were last heard of.
    """
    holder = Holder(share, work)
    with writable(folder):
        _live[holder.token] = threading.get_ident()
        try:
            lease = _claim(folder, holder)
        except BaseException:
            _release(folder, holder)
            raise
    beating = threading.Thread(target=lease.keep_alive, name="xaikit lease", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        lease._ended.set()
        beating.join()
        _release(folder, holder)


def live_holders(folder: Folder) -> list[Holder]:
    """Those who write to a folder now."""
    return [holder for holder in _holders(folder) if holder.is_live()]


def _claim(folder: Folder, holder: Holder) -> Lease:
    with folder.write(_name(holder.token), durable=False) as file:
        file.write(_encoded(holder))
    taken_over: dict[str, Holder] = {}
    while waiting := [other for other in _holders(folder) if other.token != holder.token and other.excludes(holder)]:
        for other in waiting:
            if not other.is_live():
                folder.remove(_name(other.token))
                taken_over[other.token] = other
            elif _live.get(other.token, threading.get_ident()) != threading.get_ident():
                pass  # another thread of this process ends some time
            elif other.held or other.token < holder.token:
                raise StoreError(_refusal(folder, holder, other))
        time.sleep(0.02)
    holder = replace(holder, held=True)
    folder.overwrite(_name(holder.token), _encoded(holder))
    return Lease(folder, holder, tuple(taken_over.values()))


def _refusal(folder: Folder, holder: Holder, other: Holder) -> str:
    differs = (
        ", with another config" if other.work != holder.work and COMPACT not in (other.share, holder.share) else ""
    )
    return (
        f"{folder}: expected to be the only one who writes to it, got {other}{differs}; wait until that ends, name another "
        "folder in report.to, or share the work between jobs of one config, each with its own --shard I/N"
    )


def _release(folder: Folder, holder: Holder) -> None:
    _live.pop(holder.token, None)
    with suppress(OSError):
        folder.remove(_name(holder.token))


def _holders(folder: Folder) -> list[Holder]:
    holders = []
    for name in folder.names(LEASES, ".json"):
        token = name.rpartition("/")[2].removesuffix(".json")
        try:
            holders.append(Holder(**json.loads(folder.read(name))))
        except FileNotFoundError:
            continue  # released meanwhile
        except (ValueError, TypeError):
            # cut short by a loss of power
            holders.append(Holder(token=token, host="unknown", machine="", pid=0, heard=0))
    return holders


def _name(token: str) -> str:
    return f"{LEASES}/{token}.json"


def _encoded(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode().ljust(_BYTES)
