"""Which part of a model's output is scored."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from xaikit.errors import ConfigError
from xaikit.passes.outputs import part_of

LOGITS, AUX, MAPS = torch.zeros(2, 3), torch.ones(2, 3), torch.ones(2, 4, 5, 5)
Named = namedtuple("Named", ["logits", "aux"])
Turned = namedtuple("Turned", ["aux", "logits"])


@dataclass
class Packed:
    out: Any
    loss: Any = None


HIDDEN = SimpleNamespace(logits=LOGITS, hidden=AUX)


@pytest.mark.parametrize(
    ("output", "choice"),
    [
        (LOGITS, "auto"),
        ({"aux": AUX, "logits": LOGITS}, "auto"),
        (HIDDEN, "auto"),
        ((LOGITS, None), "auto"),
        ((LOGITS.sum(), LOGITS), "auto"),
        ((LOGITS.sum(1), LOGITS), "auto"),
        ((LOGITS, LOGITS.argmax(1)), "auto"),
        ((LOGITS, MAPS), "auto"),
        ((LOGITS, [MAPS, MAPS]), "auto"),
        (("text", LOGITS), "auto"),
        ({"loss": LOGITS.sum(), "out": LOGITS}, "auto"),
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
        (({"logits": LOGITS}, AUX), "0.logits"),
        (((AUX, LOGITS), AUX), "0.1"),
        ({"head": [LOGITS, AUX]}, "head.0"),
        ((AUX, LOGITS), "-1"),
        ({"head.0": LOGITS, "head": [AUX]}, "head.0"),
        (Packed(Named(LOGITS, AUX)), "out.logits"),
    ],
)
def test_the_chosen_part(output: Any, choice: str | int) -> None:
    assert part_of(output, choice) is LOGITS


@pytest.mark.parametrize(
    "output",
    [
        {"out": LOGITS, "aux": AUX},
        [LOGITS],
        Packed([LOGITS]),
        (),
        None,
        SimpleNamespace(logits="x"),
        (LOGITS, AUX),
        (AUX, LOGITS, AUX.sum()),
        ((LOGITS, AUX), AUX),
        (MAPS, LOGITS),
        (MAPS, (LOGITS,)),
        (LOGITS.argmax(1), None),
        Packed(LOGITS, AUX),
        [{"boxes": AUX, "scores": AUX[:, 0]}],
        {"boxes": AUX, "scores": AUX[:, 0]},
    ],
)
def test_auto_hands_anything_else_on_whole(output: Any) -> None:
    assert part_of(output) is output


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
        ({"head": [LOGITS]}, "head.1", "model.output: expected an index below 1, got 1"),
        ({"head": {"out": LOGITS}}, "head.otu", "model.output: no key 'otu'; did you mean 'out'?"),
        ((LOGITS, AUX), "head.0", "model.output: expected an output with 'head.0', got tuple"),
        ((LOGITS, AUX), -3, "model.output: expected an index below 2, got -3"),
    ],
)
def test_a_missing_part_is_an_error(output: Any, choice: str | int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        part_of(output, choice)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", [OrderedDict, SimpleNamespace])
def test_logits_beside_boxes_are_handed_on_with_them(kind: Any) -> None:
    """They are of queries, (N, Q, classes), and no classes of the picture."""
    output = kind(logits=LOGITS, pred_boxes=MAPS)
    assert part_of(output) is output
    assert part_of(output, "logits") is LOGITS
