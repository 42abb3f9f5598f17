"""The label of a photograph, as its data states it, to the index of the model's output."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from xaikit.errors import DataError, nearest

_MOST_DIGITS = 18  # of 64 bits


def match_label(label: str | int, classes: Sequence[str] | None, wnids: Sequence[str] | None, where: str) -> int:
    """The index of the class that a label means.

    Args:
        label: an index (a number, or a string of digits), else a WordNet id, else a name. Names are compared as they
            stand first, then without case and with underscores as spaces. The numbering that a folder of folders
            has by itself plays no part.
        classes: the name of each output of the model; None where unknown.
        wnids: the WordNet id of each output; None where unknown.
        where: the file that the label belongs to, for the message.

    Raises:
        DataError: out of range, unknown or ambiguous; the nearest names are listed.

    >>> classes, wnids = ("tench", "tiger cat"), ("n01440764", "n02123159")
    >>> [match_label(label, classes, wnids, "a.jpg") for label in (1, "1", "n02123159", "Tiger_Cat")]
    [1, 1, 1, 1]
    """
    if isinstance(label, int) or label.strip().isdecimal():
        if len(digits := str(label).strip()) > _MOST_DIGITS:
            raise DataError(f"{where}: expected a class index, got a number of {len(digits)} digits")
        return _in_range(int(label), classes or wnids, where)
    label = label.strip()
    if wnids and label in wnids:
        return wnids.index(label)
    if not classes:
        raise DataError(
            f"{where}: label {label!r} cannot be matched: the model's class names are unknown; expected an index"
        )
    return _by_name(label, tuple(classes), where)


def class_name(index: int | None, classes: Sequence[str] | None) -> str:
    """A class in words; "" where there is none.

    >>> class_name(1, ("tench", "goldfish")), class_name(2, None), class_name(None, None)
    ('goldfish', 'class 2', '')
    """
    if index is None:
        return ""
    return classes[index] if classes and index < len(classes) else f"class {index}"


def _in_range(index: int, outputs: Sequence[str] | None, where: str) -> int:
    if index < 0 or (outputs and index >= len(outputs)):
        limit = f"0 to {len(outputs) - 1}" if outputs else "0 or more"
        raise DataError(f"{where}: expected a class index of {limit}, got {index}")
    return index


def _by_name(label: str, classes: tuple[str, ...], where: str) -> int:
    places = _places(label, classes) or _places(_fold(label), _folded(classes))
    if not places:
        raise DataError(f"{where}: the model has no class {label!r}; {nearest(label, classes)}")
    if len(places) > 1:
        several = " and ".join(str(index) for index in places)
        raise DataError(f"{where}: {label!r} names the classes {several}; use the index or the wnid")
    return places[0]


def _places(label: str, names: tuple[str, ...]) -> list[int]:
    return [place for place, name in enumerate(names) if name == label]


@lru_cache(maxsize=8)
def _folded(names: tuple[str, ...]) -> tuple[str, ...]:
    """Needed once a photograph, so made once a model."""
    return tuple(map(_fold, names))


def _fold(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
