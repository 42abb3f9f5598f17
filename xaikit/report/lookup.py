"""What a person calls a trial or a photograph of a run, and which one is meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from xaikit.errors import StoreError, nearest
from xaikit.report.index import Index
from xaikit.store.trials import StoredTrial

_SHORTEST_ID = 6


_MOST = 20  # of the names in a message


def find_trial(index: Index, called: str) -> StoredTrial:
    """The trial of a name, of a label that only one has, or of an id or its beginning.

    Raises:
        StoreError: there is none, or more than one.
    """
    trials = index.trials
    for found in ([t for t in trials if t.name == called], [t for t in trials if t.label == called]):
        if len(found) == 1:
            return found[0]
        if found:
            _ambiguous(index, called, [_said(trial, found) for trial in found])
    if len(called) >= _SHORTEST_ID:
        by_id = [trial for trial in trials if trial.id.startswith(called)]
        if len(by_id) == 1:
            return by_id[0]
        if by_id:
            _ambiguous(index, called, [_said(trial, by_id) for trial in by_id])
    known = distinct(name for trial in trials for name in (trial.name, trial.label))
    raise StoreError(f"{index.store.folder}: no label {called!r}; {nearest(called, known)}")


def find_photograph(index: Index, bench: str, called: str) -> str:
    """The full name of a photograph of the plan, by that name, its stem or its file's name.

    Raises:
        StoreError: there is none, or more than one.
    """
    known = index.photographs.get(bench, {})
    if called in known:
        return called
    for found in (
        [name for name in known if known[name].stem == called],
        [name for name in known if file_name(name) == called],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            _ambiguous(index, called, found)
    choices = distinct([*map(file_name, known), *known])
    raise StoreError(f"{index.store.folder}: no photograph {called!r}; {nearest(called, choices)}")


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Each once, in the order of their first."""
    return tuple(dict.fromkeys(words))


def file_name(name: str) -> str:
    """The last part of a path."""
    return name.replace("\\", "/").rpartition("/")[2]


def _said(trial: StoredTrial, among: list[StoredTrial]) -> str:
    """The name; with the model and id where others have the same."""
    alone = [other.name for other in among].count(trial.name) == 1
    return trial.name if alone else f"{trial.name} ({trial.model}, {trial.data}, id {trial.id})"


def _ambiguous(index: Index, called: str, names: list[str]) -> NoReturn:
    said = "".join(f"\n  {name}" for name in names[:_MOST])
    more = f"\n  and {len(names) - _MOST} more" if len(names) > _MOST else ""
    raise StoreError(f"{index.store.folder}: {called!r} may be any of these; name one in full:{said}{more}")
