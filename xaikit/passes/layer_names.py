"""A layer as it is written, taken apart: which modules, and which tensor of which of their calls."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from xaikit.errors import LayerNotFound, nearest

_SUFFIX = re.compile(r"(?P<index>(\[[^\[\]]+\])*)(@(?P<call>first|last|[1-9]\d*))?(?P<consumed>\+?)(/(?P<fold>views))?")

_GLOB = re.compile(f"(?P<name>.*?){_SUFFIX.pattern}", re.DOTALL)


@dataclass(frozen=True)
class LayerName:
    """What is written behind the name, for one module or for all that a glob matches.

    index     the way to a tensor in what the module returns
    call      "only", "first", "last" or the number of a call
    consumed  whether it is what was made of the tensor in place
    folded    whether views of a sample are rows of their own
    """

    names: tuple[str, ...]
    index: tuple[str | int, ...] = ()
    call: str | int = "only"
    consumed: bool = False
    folded: bool = False


def parsed(text: str, names: Collection[str]) -> LayerName:
    """A name, ``name[index]``, ``name@call``, ``name+``, ``name/views``, or the same of a glob.

    What a module is called goes before any meaning of its characters: ``[``, ``]``, ``+``, ``@`` and those of globs.

    Raises:
        LayerNotFound: nothing is called so; the nearest names.

    >>> parsed("conv@2", ["conv"]), parsed("conv@2", ["conv", "conv@2"]).names
    (LayerName(names=('conv',), index=(), call=2, consumed=False, folded=False), ('conv@2',))
    """
    for name in sorted((name for name in names if text.startswith(name)), key=len, reverse=True):
        suffix = _SUFFIX.fullmatch(text, len(name))
        if suffix is not None:
            return _layer((name,), suffix)
    glob = _GLOB.fullmatch(text)
    if glob is not None and (matching := _matching(glob["name"], names)):
        return _layer(matching, glob)
    if matching := _matching(text, names):
        return LayerName(matching)
    base = re.split(r"[\[@+]", text)[0]
    if base != text and _matching(base, names):
        raise LayerNotFound(
            f"layer {text!r}: expected a name, name[index], name@first, name@last or name+, or name@2 for the second call"
        )
    raise LayerNotFound(f"no layer {(glob['name'] if glob else text)!r}; {nearest(base, names)}")


def _layer(names: tuple[str, ...], suffix: re.Match[str]) -> LayerName:
    index = tuple(int(step) if step.isdigit() else step for step in re.findall(r"\[([^\[\]]+)\]", suffix["index"]))
    call = suffix["call"] or "only"
    call = int(call) if call.isdigit() else call
    return LayerName(names, index, call, bool(suffix["consumed"]), suffix["fold"] is not None)


def _matching(pattern: str, names: Collection[str]) -> tuple[str, ...]:
    """By a glob, step by step between the dots."""
    steps = pattern.split(".")
    return tuple(name for name in names if _fits(name.split("."), steps))


def _fits(name: Sequence[str], steps: Sequence[str]) -> bool:
    return len(name) == len(steps) and all(map(fnmatchcase, name, steps))
