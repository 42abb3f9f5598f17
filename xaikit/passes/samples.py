"""Which of several inputs have a row a sample: told by what repeating the samples does.

Whatever is as long as the batch may have one, as the masks of pictures, or may be shared by all samples, as prompts of
which there are as many as pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations, islice
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from xaikit.errors import ConfigError, nearest
from xaikit.passes.nests import Path, led_by, sample_paths, signature, tensors_in

Shared = frozenset[Path]
"""The ways to inputs that are no sample's."""


MOST_READINGS = 16
"""That are tried, each by a pass."""


_shared: WeakKeyDictionary[nn.Module, dict[Any, Shared]] = WeakKeyDictionary()


def shared_by_name(inputs: Any, names: Sequence[str | int] | None) -> tuple[Any, Shared | None]:
    """The inputs, the first of which has a row a sample, and the ways to those of these names, which have none; None where
    nobody names any.

    Raises:
        ConfigError: there is no input of a name, or no other.
    """
    if names is None:
        return inputs, None
    paths = [path for path, _ in tensors_in(inputs)]
    arguments = dict.fromkeys(path[0] for path in paths if path)
    for name in names:
        if name not in arguments:
            raise ConfigError(f"shared: no input {name!r}; {nearest(str(name), map(str, arguments))}")
    left = [path for path in paths if not path or path[0] not in names]
    if not left:
        raise ConfigError("shared: expected an input that has a row a sample, got the names of all")
    return led_by(inputs, left[0]), frozenset(paths) - frozenset(left)


def shared_inputs(
    model: nn.Module, inputs: Any, stated: Shared | None, conditions: object, repeats: Callable[[Shared], bool]
) -> Shared:
    """The inputs that are no sample's; remembered for a model, its shapes and conditions. None where there is one input.

    Args:
        stated: which they are, where somebody says it.
        conditions: of the passes, such as the part of the output that is looked at.
        repeats: whether the true output repeats as its samples do, by one pass.

    Raises:
        ConfigError: no reading repeats the true output.
    """
    if len(list(tensors_in(inputs))) == 1:
        return frozenset()
    remembered, key = _shared.setdefault(model, {}), (signature(inputs), conditions, stated)
    if key not in remembered:
        readings = _readings(sample_paths(inputs)[1:]) if stated is None else iter([stated])
        true = next((shared for shared in islice(readings, MOST_READINGS) if repeats(shared)), None)
        if true is None:
            raise _refused(inputs, stated)
        remembered[key] = true
    return remembered[key]


def _readings(paths: list[Path]) -> Iterator[Shared]:
    """Which of these may be shared: none, all, or some, the fewest first."""
    some = chain.from_iterable(combinations(paths, count) for count in range(1, len(paths)))
    return map(frozenset, chain([()], [paths] if paths else [], some))


def _refused(inputs: Any, stated: Shared | None) -> ConfigError:
    names = ", ".join(".".join(map(str, path)) for path, _ in tensors_in(inputs))
    return ConfigError(
        f"inputs: expected to know which of {names} have a row a sample, got another output where samples are repeated, "
        f"{'whichever do' if stated is None else 'as shared= says it'}: name those that are no sample's as shared=, "
        "such as shared=['input_ids'] or shared=[1], or take a method that varies no input, such as gradcam"
    )
