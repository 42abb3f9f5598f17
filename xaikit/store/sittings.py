"""The sittings at a run, a small file each: what one did from its start to its end, and what all of them add up to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from xaikit.store.checksums import from_json, to_json
from xaikit.store.folder import Folder
from xaikit.store.lease import live_holders
from xaikit.store.tables import readable

SITTINGS = "sittings"
RUNNING, KILLED = "running", "killed"

Sitting = Mapping[str, Any]
"""What is kept of one: ``token`` and ``share`` of its lease, when it ``began``, ``counts``, ``seconds``, ``halved`` shards, whom
it has ``taken_over``, the shards that it has ``begun`` and not committed, and why it ``stopped``."""


def write_sitting(folder: Folder, sitting: Sitting, *, durable: bool) -> None:
    """Keep what a sitting has done so far, in the place of what was kept of it before."""
    with folder.write(f"{SITTINGS}/{sitting['token']}.json", durable=durable) as file:
        file.write((to_json(sitting) + "\n").encode())


def read_sittings(folder: Folder) -> list[Sitting]:
    """All of them, the oldest first. Raises DamagedFile where one is not what was written."""
    sittings: list[Sitting] = []
    for name in folder.names(SITTINGS, ".json"):
        with readable(folder, name):
            sittings.append(from_json(folder.read(name)))
    return sorted(sittings, key=lambda sitting: (sitting["began"], sitting["token"]))


def with_sittings(manifest: Mapping[str, Any], folder: Folder, failed: int) -> dict[str, Any]:
    """A manifest with what all sittings in its folder add up to; as it is where there are none.

    Args:
        failed: photographs.
    """
    sittings = read_sittings(folder)
    if not sittings:
        return dict(manifest)
    counts = {**manifest.get("counts", {}), **_summed(each["counts"] for each in sittings), "failed": failed}
    return {
        **manifest,
        "stopped": _stopped(sittings, {holder.token for holder in live_holders(folder)}),
        "counts": counts,
        "seconds": _summed(each["seconds"] for each in sittings),
        "halved": [shard for each in sittings for shard in each["halved"]],
        "taken_over": [holder for each in sittings for holder in each["taken_over"]],
    }


def dead_sittings(folder: Folder, share: str) -> list[Sitting]:
    """Those that were killed, of one share or of all (""), since the last one of their share that ended by itself."""
    live = {holder.token for holder in live_holders(folder)}
    dead: dict[str, list[Sitting]] = {}
    for sitting in read_sittings(folder):
        if ended(sitting, live) == KILLED:
            dead.setdefault(sitting["share"], []).append(sitting)
        elif sitting["token"] not in live:
            dead.pop(sitting["share"], None)
    return [sitting for of, several in dead.items() if share in ("", of) for sitting in several]


def _summed(counts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Numbers by name, each the sum of those of its name."""
    total: dict[str, float] = {}
    for each in counts:
        for name, value in each.items():
            total[name] = round(total.get(name, 0) + value, 3)
    return total


def ended(sitting: Sitting, live: Collection[str]) -> str:
    """Why a sitting ended early, "" where it did not."""
    if sitting["stopped"] == RUNNING and sitting["token"] not in live:
        return KILLED
    return str(sitting["stopped"])


def _stopped(sittings: Sequence[Sitting], live: Collection[str]) -> str:
    """Of the last sitting at each share; one at the whole has done all that was left by those before it."""
    last: dict[str, str] = {}
    for sitting in sittings:
        if not sitting["share"]:
            last.clear()
        last[sitting["share"]] = ended(sitting, live)
    reasons = [reason for reason in last.values() if reason]
    return RUNNING if RUNNING in reasons else next(iter(reasons), "")
