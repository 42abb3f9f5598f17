"""Any score: what a Python function makes of the output, pkg.module:function or ./file.py:function."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial, update_wrapper
from typing import Annotated, Any, ClassVar

from torch import Tensor

from xaikit import ConfigError, Located, hookimpl, lies_at
from xaikit.targets import FunctionTarget, Pinned
from xaikit_targets._importing import imported


@dataclass(frozen=True)
class Function:
    """s = function(output, **kwargs), of shape (N,) for one score a sample, or (N, T) for several, each with its own map.

    It is called on every pass, on as many samples as that pass has: it must score each sample by itself, and the same
    thing every time. Choosing the class inside of it (a max, an argmax) explains another class where a masked picture
    gets another answer; such a choice is what the other targets pin on the clean pass.

    Fails: a change inside the function is not seen by a run that goes on: give it another name.
    Peers: every object with ``__call__`` is a target of pytorch-grad-cam; theirs are given one sample at a time.

    function  ``pkg.module:function``, or ``./file.py:function``; of a config's folder before all others
    kwargs    what it is called with, beside the output
    """

    function: Annotated[str, Located(lies_at)]
    kwargs: dict[str, Any] = field(default_factory=dict)

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"function": "torch:logsumexp", "kwargs": {"dim": 1}},
        {"function": "torch:sigmoid"},
    )

    def __post_init__(self) -> None:
        left, _, right = self.function.rpartition(":")
        if not (left and right.isidentifier()):
            raise ValueError(f"function: expected 'pkg.module:function' or './file.py:function', got {self.function!r}")

    def pin(self, output: Any, labels: Tensor | None) -> Pinned:
        """Import the function and call it once, to learn how many scores it gives.

        Raises:
            ConfigError: there is none, it fails on the output, or it returns no scores (N,) or (N, T).
        """
        where = f"target callable {self.function!r}"
        function = imported(self.function, where)
        called = update_wrapper(partial(function, **self.kwargs), function) if self.kwargs else function
        try:
            return FunctionTarget(called).pin(output, labels)
        except ConfigError:
            raise
        except Exception as error:  # a function is anybody's code
            raise ConfigError(f"{where}: {type(error).__name__}: {error}") from error


@hookimpl
def xaikit_target() -> type:
    return Function
