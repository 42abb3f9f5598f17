"""Classes by their names: what data and configs call them, to the index of the model's output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from xaikit.errors import ConfigError, DataError, nearest
from xaikit.schema.keys import keys_of

_MOST_DIGITS = 18  # of 64 bits


@dataclass(frozen=True)
class Classes:
    """What the outputs of a model are called.

    names  of each output, in order; None where unknown
    wnids  the WordNet id of each output; None where the outputs are no ImageNet classes
    """

    names: tuple[str, ...] | None = None
    wnids: tuple[str, ...] | None = None

    def index(self, label: str | int, where: str) -> int:
        """The index of the class that a label means.

        Args:
            label: an index (a number, or a string of digits), else a WordNet id, else a name. Names are compared as they
                stand first, then without case and with underscores as spaces, then as one of several that commas part
                ("tabby, tabby cat"), those of ImageNet with all their synonyms. The numbering that a folder of folders has
                by itself plays no part.
            where: the file that the label belongs to, for the message.

        Raises:
            DataError: out of range, unknown or ambiguous; the nearest names are listed.

        >>> classes = Classes(("tench", "tiger cat"), ("n01440764", "n02123159"))
        >>> [classes.index(label, "a.jpg") for label in (1, "1", "n02123159", "Tiger_Cat")]
        [1, 1, 1, 1]
        """
        if isinstance(label, int) or label.strip().isdecimal():
            if len(digits := str(label).strip()) > _MOST_DIGITS:
                raise DataError(f"{where}: expected a class index, got a number of {len(digits)} digits")
            return _in_range(int(label), self.names or self.wnids, where)
        label = label.strip()
        if self.wnids and label in self.wnids:
            return self.wnids.index(label)
        if not self.names:
            raise DataError(
                f"{where}: label {label!r} cannot be matched: the model's class names are unknown; expected an index, or the "
                "names as model.classes"
            )
        return _by_name(label, self.names, self.wnids, where)

    def name(self, index: int | None) -> str:
        """A class in words; "" where there is none.

        >>> Classes(("tench", "goldfish")).name(1), Classes(("tench",)).name(2), Classes().name(None)
        ('goldfish', 'class 2', '')
        """
        if index is None:
            return ""
        return self.names[index] if self.names and 0 <= index < len(self.names) else f"class {index}"

    def check_count(self, output: Any) -> None:
        """That every output has a name, where names are known: one too few shifts those behind it.

        Args:
            output: of the model; what is no (N, classes) says nothing.

        Raises:
            ConfigError: there are more or fewer.
        """
        shape: Sequence[int] = getattr(output, "shape", ())
        if self.names and len(shape) == 2 and shape[1] != len(self.names):
            raise ConfigError(f"classes: expected {shape[1]} names, as many as outputs, got {len(self.names)}")

    def with_indices(self, cls: type, options: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The options of a target, its classes by their indices. What is a word of the option, such as ``top``, means that: a
        class of that name goes by its index.

        Raises:
            ConfigError: there is no class of a name.
        """
        keys = keys_of(cls)
        return {
            option: self._indices(value, keys[option].words, f"{where}: {option}")
            if option in keys and keys[option].names_classes
            else value
            for option, value in options.items()
        }

    def _indices(self, value: Any, words: Sequence[str], where: str) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self._indices(each, words, where) for each in value)
        if not isinstance(value, str) or value in words:
            return value
        try:
            return self.index(value, where)
        except DataError as error:
            also = f"; or {nearest(value, words)}" if words else ""
            raise ConfigError(f"{error}{also}") from error


def _in_range(index: int, outputs: Sequence[str] | None, where: str) -> int:
    if index < 0 or (outputs and index >= len(outputs)):
        limit = f"0 to {len(outputs) - 1}" if outputs else "0 or more"
        raise DataError(f"{where}: expected a class index of {limit}, got {index}")
    return index


def _by_name(label: str, names: tuple[str, ...], wnids: tuple[str, ...] | None, where: str) -> int:
    folded = _fold(label)
    for word, called in ((label, names), (folded, _folded(names)), (folded, _synonyms(names, wnids))):
        exact = [place for place, name in enumerate(called) if name == word]
        places = exact or [place for place, name in enumerate(called) if word in name.split(", ")]
        if places:
            return _only(label, places, where)
    raise DataError(f"{where}: the model has no class {label!r}; {nearest(label, names)}")


def _only(label: str, places: Sequence[int], where: str) -> int:
    if len(places) > 1:
        several = " and ".join(map(str, places))
        raise DataError(f"{where}: {label!r} names the classes {several}; use the index or the wnid")
    return places[0]


@lru_cache(maxsize=8)
def _folded(names: tuple[str, ...]) -> tuple[str, ...]:
    """Needed once a photograph, so made once a model."""
    return tuple(map(_fold, names))


@lru_cache(maxsize=8)
def _synonyms(names: tuple[str, ...], wnids: tuple[str, ...] | None) -> tuple[str, ...]:
    if not wnids:
        return ()
    from xaikit.sources.imagenet import SYNONYMS, WNIDS  # they come with torchvision

    known = dict(zip(WNIDS, SYNONYMS, strict=True))
    return tuple(_fold(known.get(wnid, name)) for wnid, name in zip(wnids, names, strict=True))


def _fold(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
