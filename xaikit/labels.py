"""What the data calls a class, as an index of the model's outputs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xaikit.errors import DataError, nearest


def match_label(label: str | int, classes: Sequence[str] | None, wnids: Sequence[str] | None, where: str) -> int:
    """The index of the class that a label means.

    A number is an index; anything else is a WordNet id, else a class name (case and underscores do not count). The numbering of a
    folder of classes is never taken for the model's.

    Args:
        classes, wnids: the model's, in the order of its outputs, where known.
        where: the file that is labelled so, for errors.

    Raises:
        DataError: no class of that name, several of them, or an index out of range.

    >>> match_label("Egyptian_cat", ["tabby", "Egyptian cat"], None, "cat.jpg")
    1
    >>> match_label("0", ["tabby", "Egyptian cat"], None, "cat.jpg")
    0
    """
    if isinstance(label, int) or label.strip().isdigit():
        return _index(int(label), classes, where)
    if wnids is not None and label in wnids:
        return wnids.index(label)
    if classes is None:
        raise DataError(f"{where}: label {label!r}: this model's classes have no names; label by index")
    found = [index for index, name in enumerate(classes) if _canonical(name) == _canonical(label)]
    if len(found) == 1:
        return found[0]
    if found:
        places = " and ".join(map(str, found))
        raise DataError(f"{where}: label {label!r} is the name of classes {places}; label by index or WordNet id")
    raise DataError(f"{where}: label {label!r} is no class of the model; {nearest(label, classes)}")


def _index(index: int, classes: Sequence[str] | None, where: str) -> int:
    if classes is not None and not 0 <= index < len(classes):
        raise DataError(f"{where}: expected a class index in 0 ... {len(classes) - 1}, got {index}")
    return index


def _canonical(name: str) -> str:
    return re.sub(r"[\s_]+", " ", name).strip().lower()
