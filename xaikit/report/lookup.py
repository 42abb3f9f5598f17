"""What a person calls a trial or a photograph of a run, and which one is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from xaikit.errors import StoreError, nearest
from xaikit.plain.paths import file_name
from xaikit.report.index import Index
from xaikit.store.rows import Failure
from xaikit.store.trials import StoredTrial

T = TypeVar("T")


_SHORTEST_ID = 6


_MOST = 20  # of the names in a message


def find_trial(index: Index, called: str) -> StoredTrial:
    """The trial of a name, of a label that only one has, or of an id or its beginning.

    Raises:
        StoreError: there is none, or more than one.
    """
    trials = index.trials
    named = [trial for trial in trials if trial.name == called]
    labelled = [trial for trial in trials if trial.label == called]
    # one label may be what the name of another one's trial is made of
    matches = named if any(trial.label == called for trial in named) else named + labelled
    matches = matches or [trial for trial in trials if len(called) >= _SHORTEST_ID and trial.id.startswith(called)]
    names = distinct(name for trial in trials for name in (trial.name, trial.label))
    return _only(index, "label", called, matches, [_described(trial, matches, called) for trial in matches], names)


def find_photograph(index: Index, bench: str, called: str) -> str:
    """The full name of a photograph of the plan, by that name, its stem in the run, its file's name or that without its ending.

    Raises:
        StoreError: there is none, or more than one.
    """
    photographs = index.photographs.get(bench, {})
    matches = (
        [name for name in photographs if name == called]
        or [name for name, photograph in photographs.items() if photograph.stem == called]
        or [name for name in photographs if file_name(name) == called]
        or [name for name in photographs if file_name(name).rpartition(".")[0] == called]
    )
    names = distinct([*map(file_name, photographs), *photographs])
    return _only(index, "photograph", called, matches, matches, names)


def why_failed(failures: Iterable[Failure], trial: StoredTrial, name: str) -> str:
    """What to say where a photograph has no map by a trial: the last error, "" where there is none."""
    errors = [
        failure.error
        for failure in failures
        if (failure.bench, failure.name) == (trial.bench, name) and failure.evidence in ("", trial.evidence)
    ]
    return f"; it failed: {errors[-1]}" if errors else ""


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Each once, in the order of their first."""
    return tuple(dict.fromkeys(words))


def _described(trial: StoredTrial, among: Sequence[StoredTrial], called: str) -> str:
    """The name; with the model and id where others have the same, or that is what may be any of them."""
    alone = trial.name != called and [other.name for other in among].count(trial.name) == 1
    return trial.name if alone else f"{trial.name} ({trial.model}, {trial.data}, id {trial.id})"


def _only(
    index: Index, kind: str, called: str, matches: Sequence[T], described: Sequence[str], names: Sequence[str]
) -> T:
    """The one match. Raises StoreError with the nearest of all names, or with those that match."""
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise StoreError(f"{index.store.folder}: no {kind} {called!r}; {nearest(called, names)}")
    lines = "".join(f"\n  {name}" for name in described[:_MOST])
    more = f"\n  and {len(matches) - _MOST} more" if len(matches) > _MOST else ""
    raise StoreError(f"{index.store.folder}: {called!r} may be any of these; name one in full:{lines}{more}")
