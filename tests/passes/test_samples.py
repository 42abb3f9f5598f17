"""Which of several inputs have a row a sample."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
import torch
from torch import nn

from xaikit.errors import ConfigError
from xaikit.passes.nests import Path
from xaikit.passes.samples import Shared, shared_inputs

THREE = (torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2), torch.zeros(5))


def told(inputs: Any, true: Collection[Path], stated: Shared | None = None) -> tuple[Shared, list[Shared]]:
    """What is told where one reading is the true one, and all that were tried."""
    tried: list[Shared] = []

    def repeats(shared: Shared) -> bool:
        tried.append(shared)
        return shared == frozenset(true)

    model = nn.Identity()
    shared = shared_inputs(model, inputs, stated, "logits", repeats)
    count = len(tried)
    assert shared_inputs(model, inputs, stated, "logits", repeats) == shared
    assert len(tried) == count, "it is remembered"
    return shared, tried


@pytest.mark.parametrize(("true", "passes"), [([], 1), ([(1,), (2,)], 2), ([(1,)], 3), ([(2,)], 4)])
def test_the_reading_that_repeats_the_output_is_taken(true: list[Path], passes: int) -> None:
    shared, tried = told(THREE, true)
    assert shared == frozenset(true)
    assert len(tried) == passes


def test_one_input_costs_nothing() -> None:
    assert told({"image": torch.zeros(2, 3)}, [("never",)]) == (frozenset(), [])


def test_what_is_stated_is_looked_at_alone() -> None:
    stated = frozenset({(1,)})
    assert told(THREE, stated, stated) == (stated, [stated])
    with pytest.raises(ConfigError, match=r"^inputs: .* which of 0, 1, 2, 3 have a row .* as shared= says it: name"):
        told(THREE, [], stated)


def test_where_no_reading_does_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^inputs: .* whichever do: name those .* as shared=, such as"):
        told(THREE, [("never",)])


def test_other_shapes_and_conditions_are_told_anew() -> None:
    model, inputs = nn.Identity(), (torch.zeros(2, 3), torch.zeros(2))
    assert shared_inputs(model, inputs, None, "logits", lambda shared: not shared) == frozenset()
    assert shared_inputs(model, inputs, None, "text", bool) == {(1,)}
    assert shared_inputs(model, (torch.zeros(3, 3), torch.zeros(3)), None, "logits", bool) == {(1,)}
