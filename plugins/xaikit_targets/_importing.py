"""A function of the user's by its path: pkg.module:function or ./file.py:function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xaikit import ConfigError, global_draws, module_at, nearest
from xaikit_targets._files import existing_file


def imported(path: str, where: str) -> Callable[..., Any]:
    """The function.

    Raises:
        ConfigError: it cannot be imported, or there is no such function.
    """
    left, _, right = path.rpartition(":")
    if left.endswith(".py"):
        existing_file(left, where)
    try:
        # whatever importing draws, the global random numbers stay
        with global_draws():
            module = module_at(left, "function")
    except (Exception, SystemExit) as error:  # a module is anybody's code
        raise ConfigError(f"{where}: {left} cannot be imported: {type(error).__name__}: {error}") from error
    function = getattr(module, right, None)
    if not callable(function):
        offered = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise ConfigError(f"{where}: {left} has no function {right!r}; {nearest(right, offered)}")
    made: Callable[..., Any] = function
    return made
