"""File names for what has other names: unique, safe on every file system, and the same again on the next run.

A safe name has no dot, so that ``<stem>.<label>.<column>.png`` can only be read in one way.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_SAFE = " -_()+,"


def bench_key(model: str, data: str) -> str:
    """The key of a bench: the digest of its model and that of its data."""
    return f"{model[:16]}-{data[:8]}"


def model_of(bench: str) -> str:
    """The digest of the model that a bench is of."""
    return bench.partition("-")[0]


def data_of(bench: str) -> str:
    """The digest of the data that a bench is of."""
    return bench.partition("-")[2]


_LONGEST = 80  # bytes; a stem, a label and their endings stay below the 255 that file systems allow


_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def stems(names: Iterable[str], taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """A safe file stem for each path, keyed by the path.

    The stem is the path's own where that is safe and unique (whatever the case of its letters), else it is
    cleaned and ends with eight digits of the path's digest (all of them where eight are too few). It does not
    depend on the order of ``names``. Names in ``taken`` keep the stem they have there.

    >>> stems(["pets/cat.jpg", "wild/cat.jpg", "dog.png"])
    {'pets/cat.jpg': 'cat-6f181290', 'wild/cat.jpg': 'cat-6b624ad7', 'dog.png': 'dog'}
    """
    # a folder may have been written by anybody: what would lie elsewhere is named anew
    safe = {name: stem for name, stem in (taken or {}).items() if stem and all(map(_is_safe, stem))}
    return _unique({name: _file_stem(name) for name in names}, safe)


class DataName(NamedTuple):
    """A photograph by its name, and the digest of the data that it is of."""

    data: str
    name: str


def stems_of_places(places: Iterable[DataName], taken: Mapping[DataName, str]) -> dict[DataName, str]:
    """A safe file stem for each photograph of several data, in which different ones may bear one name.

    One that is not in ``taken`` has the stem that its name has there, unless another has it already.

    >>> stems_of_places([DataName("1a", "x.png"), DataName("2b", "x.png")], {DataName("1a", "x.png"): "x"})
    {DataName(data='1a', name='x.png'): 'x', DataName(data='2b', name='x.png'): 'x-4aff42ff'}
    """
    places = list(dict.fromkeys(places))
    count = Counter(place.name for place in places)
    names = {place: place.name if count[place.name] == 1 else f"{place.data}/{place.name}" for place in places}
    by_name = {place.name: stem for place, stem in taken.items()}
    existing: dict[str, str] = {}
    for stems_there in (taken, {place: by_name.get(place.name, "") for place in places}):
        used = set(existing.values())
        for place in places:
            stem = stems_there.get(place, "")
            if stem and stem not in used and names[place] not in existing:
                existing[names[place]] = stem
                used.add(stem)
    chosen = stems(names.values(), existing)
    return {place: chosen[name] for place, name in names.items()}


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """The same for names that are no paths, such as labels.

    >>> safe_names(["gradcam", "a/b"])
    {'gradcam': 'gradcam', 'a/b': 'a_b-c14cddc0'}
    """
    return _unique({name: name for name in names}, {})


def _file_stem(name: str) -> str:
    """The last part of a path of any system, without its ending."""
    last = re.split(r"[/\\]", name)[-1]
    return last.rpartition(".")[0] or last


def _unique(wanted: Mapping[str, str], taken: Mapping[str, str]) -> dict[str, str]:
    new = {name: _cleaned(stem) for name, stem in wanted.items() if name not in taken}
    used = Counter(map(_key, [*taken.values(), *new.values()]))
    unsafe = {name: stem for name, stem in new.items() if stem != wanted[name] or _is_taken(stem, used)}
    short = {name: f"{stem}-{_digest(name)[:8]}" for name, stem in unsafe.items()}
    used.update(map(_key, short.values()))
    long = {name: f"{unsafe[name]}-{_digest(name)}" for name, stem in short.items() if used[_key(stem)] > 1}
    chosen = {**new, **short, **long, **taken}
    return {name: chosen[name] for name in wanted}


def _is_taken(stem: str, used: Counter[str]) -> bool:
    return used[_key(stem)] > 1 or stem.lower() in _RESERVED


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _cleaned(name: str) -> str:
    composed = unicodedata.normalize("NFC", name)
    safe = "".join(char if _is_safe(char) else "_" for char in composed)
    short = safe.encode()[:_LONGEST].decode(errors="ignore")
    return short.strip(" -") or "unnamed"


def _is_safe(char: str) -> bool:
    return char in _SAFE or unicodedata.category(char)[0] in "LMN"


def _key(stem: str) -> str:
    """Equal for stems that some file system takes for the same."""
    return unicodedata.normalize("NFKC", stem.casefold())
