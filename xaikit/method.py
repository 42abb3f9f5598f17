"""The contract of a method, and what a method may declare beside it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from xaikit.errors import PluginContract, declared, is_count
from xaikit.needs import Needs

if TYPE_CHECKING:  # what checks options is read without torch
    from torch import Tensor

    from xaikit.view import View


class Method(Protocol):
    """The class behind a plugin of ``xaikit.methods``: a frozen dataclass whose fields are its options.

    It may have more members, all of which :mod:`xaikit.testing` holds against what the method does:

    paper     of the class, stage to choice: the finish that its paper asks for
    traits    of the class, names of what its maps keep to, see :mod:`xaikit.testing.traits`; ``per_sample`` without it
    control   of the class, True: it is there to be beaten, and a run with metrics judges it beside its methods
    examples  of the class, options that it is checked with beside the default ones, or in place of them where these take it
              hundreds of passes
    further   ``further(channels, places) -> int``: further scores or passes that a sample costs at a tap of so many
              channels and places, for the plan
    variants  ``variants() -> Hashable``: what its re-run variants depend on. Instances of equal variants ask
              ``view.rescore`` for the same variants in the same order at the same tap (one may ask for more than the
              other at the end), and draw the same numbers; the engine then runs the model once for all of them
    draws     a property: of a class whose traits have ``deterministic``, whether the options of this instance make it draw
    parts     a property: it puts so many maps on the target axis by itself, whatever the target, as concepts of a
              factorization; ``explain`` then returns (N, parts, *S)
    """

    needs: ClassVar[Needs]

    def explain(self, view: View) -> Tensor:
        """The raw signed map (N, T, *S), or (N, 1, *S) where the target plays no part."""


def further_of(method: Method, channels: int, places: int) -> int:
    """Further scores or passes that a sample costs at one tap; 0 where the method does not say.

    Raises:
        PluginContract: it says no such number.
    """
    further: Any = getattr(method, "further", None)
    count: int = further(channels, places) if callable(further) else 0
    if not is_count(count, 0):
        raise PluginContract(f"further: expected a number of passes, 0 or more, got {count!r}")
    return count


def parts_of(method: Method) -> int:
    """Maps that a method puts on the target axis by itself; 0 for one that has a map a target.

    Raises:
        PluginContract: it says no such number.
    """
    return declared(method, "parts", 0, lambda parts: is_count(parts, 1), "a number of maps, 1 or more")


def variants_of(method: Method) -> Hashable:
    """What a method declares about its re-run variants; None if it declares nothing.

    Raises:
        PluginContract: it cannot be hashed.
    """
    variants: Any = getattr(method, "variants", None)
    stated: Hashable = variants() if callable(variants) else None
    try:
        hash(stated)
    except TypeError as error:
        raise PluginContract(f"variants: expected a hashable value, got {stated!r}") from error
    return stated


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises ValueError unless the value is a choice."""
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def at_least(name: str, value: float, least: float) -> None:
    """Raises ValueError for less than the least; NaN is less."""
    if not value >= least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
