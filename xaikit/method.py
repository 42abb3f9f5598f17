"""The contract of a method, and what a method may declare beside it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Protocol

from torch import Tensor

from xaikit.errors import PluginContract
from xaikit.needs import Needs
from xaikit.view import View


class Method(Protocol):
    """The class behind a plugin of ``xaikit.methods``: a frozen dataclass whose fields are its options.

    ``paper`` (stage to choice) is the finish that its paper asks for; it may be left out. A method
    ``further(channels, places) -> int`` may tell the plan how many further scores or passes a sample costs at a tap of
    so many channels and places.

    A method ``variants() -> Hashable`` may say what its re-run variants depend on: instances of equal variants ask
    ``view.rescore`` for the same variants in the same order at the same tap (one may ask for more than the other at the
    end), and draw the same numbers. The engine then runs the model once for all of them.

    A method with a property ``parts`` puts so many maps on the target axis by itself, whatever the target, as concepts
    of a factorization: ``explain`` then returns (N, parts, *S).
    """

    needs: ClassVar[Needs]

    def explain(self, view: View) -> Tensor:
        """The raw signed map (N, T, *S), or (N, 1, *S) where the target plays no part."""


def parts_of(method: Method) -> int:
    """Maps that a method puts on the target axis by itself; 0 for one that has a map a target."""
    return int(getattr(method, "parts", 0))


def variants_of(method: Method) -> Hashable:
    """What a method declares about its re-run variants; None if it declares nothing.

    Raises:
        PluginContract: it cannot be hashed.
    """
    declared = getattr(method, "variants", None)
    if not callable(declared):
        return None
    found: Hashable = declared()
    try:
        hash(found)
    except TypeError as error:
        raise PluginContract(f"variants: expected a hashable value, got {found!r}") from error
    return found
