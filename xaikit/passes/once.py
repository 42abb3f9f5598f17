"""The layers that a model is known to run once: a forward that stops at them would not notice a second call."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from xaikit.passes.changes import state
from xaikit.passes.modes import Mode
from xaikit.passes.nests import signature

_known: WeakKeyDictionary[nn.Module, dict[Hashable, tuple[Any, set[Any]]]] = WeakKeyDictionary()
"""By the shapes of inputs and the mode, beside the state that the model was in."""


def ran_once(model: nn.Module, inputs: Any, mode: Mode) -> set[Any]:
    """What is known to run once of inputs of these shapes, for the model as it is now; to be added to by who sees more."""
    try:
        now = state(model, mode)
    except RuntimeError:  # nobody would notice a change
        return set()
    known, key = _known.setdefault(model, {}), (signature(inputs), mode)
    if key not in known or known[key][0] != now:
        known[key] = now, set()
    return known[key][1]
