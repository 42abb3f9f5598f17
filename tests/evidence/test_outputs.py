"""Which part of a model's output is scored."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from xaikit.errors import ConfigError
from xaikit.evidence.forward import select

LOGITS, AUX = torch.zeros(2, 3), torch.ones(2, 3)
Named = namedtuple("Named", ["logits", "aux"])
Turned = namedtuple("Turned", ["aux", "logits"])


@dataclass
class Packed:
    out: Any
    loss: None = None


HIDDEN = SimpleNamespace(logits=LOGITS, hidden=AUX)


@pytest.mark.parametrize(
    ("output", "choice"),
    [
        (LOGITS, "auto"),
        ({"aux": AUX, "logits": LOGITS}, "auto"),
        (HIDDEN, "auto"),
        ((LOGITS, AUX), "auto"),
        (OrderedDict(out=LOGITS, note="text"), "auto"),
        (Packed(LOGITS), "auto"),
        (Named(LOGITS, AUX), "auto"),
        (Turned(AUX, LOGITS), "auto"),
        (LOGITS, "logits"),
        (HIDDEN, "logits"),
        (OrderedDict(out=LOGITS), "out"),
        (Turned(AUX, LOGITS), "logits"),
        ((AUX, LOGITS), 1),
        ([AUX, LOGITS], -1),
        ((AUX, LOGITS), -1),
        (Turned(AUX, LOGITS), 1),
        ({"aux": AUX, "out": LOGITS}, 1),
        ({1: LOGITS, 0: AUX}, 1),
    ],
)
def test_the_chosen_part(output: Any, choice: str | int) -> None:
    assert select(output, choice) is LOGITS


@pytest.mark.parametrize(
    "output",
    [{"out": LOGITS, "aux": AUX}, [LOGITS], Packed([LOGITS]), (), ("text", LOGITS), None, SimpleNamespace(logits="x")],
)
def test_auto_hands_anything_else_on_whole(output: Any) -> None:
    assert select(output) is output


@pytest.mark.parametrize(
    ("output", "choice", "message"),
    [
        ({"logits": LOGITS, "aux": AUX}, "logit", "model.output: no key 'logit'; did you mean 'logits'?"),
        ({"out": LOGITS}, "logits", "model.output: no key 'logits'; known: out"),
        (HIDDEN, "out", "model.output: expected an output with 'out', got SimpleNamespace"),
        (LOGITS, "out", "model.output: expected an output with 'out', got Tensor"),
        # attributes that every tensor has are no parts of an output
        (LOGITS, "mean", "model.output: expected an output with 'mean', got Tensor"),
        (LOGITS, "T", "model.output: expected an output with 'T', got Tensor"),
        (LOGITS, 0, "model.output: expected a tuple or list to take [0] of, got Tensor"),
        ({"out": LOGITS}, 1, "model.output: expected an index below 1, got 1"),
        ((LOGITS, AUX), 2, "model.output: expected an index below 2, got 2"),
        ((LOGITS, AUX), -3, "model.output: expected an index below 2, got -3"),
    ],
)
def test_a_missing_part_is_an_error(output: Any, choice: str | int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        select(output, choice)
    assert str(caught.value) == message
