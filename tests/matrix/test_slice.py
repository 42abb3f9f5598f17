"""A slice of the matrix: every method on a few small networks is what the committed matrix says; and what counts as what."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matrix import cells
from matrix.architectures import ARCHITECTURES
from xaikit import ConfigError
from xaikit.config.arguments import read_target
from xaikit.explanation import Explanation, RemarkCounts
from xaikit.plain.remarks import CONSTANT, ZERO_MAP
from xaikit.reruns.replay import FULL
from xaikit.schema.plugins import instantiate
from xaikit.targets import PinnedClasses

COMMITTED = json.loads((Path(__file__).resolve().parents[2] / "docs" / "coverage.json").read_text(encoding="utf-8"))
SLICE = ("conv1d", "squeezenet1_1", "vit_tiny_patch16_224", "clip")


@pytest.mark.parametrize("name", SLICE)
def test_it_is_as_committed(name: str) -> None:
    before = torch.get_rng_state()
    row, committed = cells.row(ARCHITECTURES[name], cells.built_in()), COMMITTED["architectures"][name]
    assert torch.equal(torch.get_rng_state(), before)
    assert row["layers"] == committed["layers"]
    kinds = {method: cells.kind_of(cell) for method, cell in row["cells"].items()}
    assert kinds == {method: cells.kind_of(cell) for method, cell in committed["cells"].items()}


def test_a_network_is_the_same_every_time_and_alive() -> None:
    first, second = (ARCHITECTURES["vit_tiny_patch16_224"].network().state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(bool(value.any()) for value in first.values())


def explanation(saliency: Tensor, raw: Tensor | None = None, *reasons: str, parts: int = 0) -> Explanation:
    raw = saliency if raw is None else raw
    noted = tuple(
        RemarkCounts("a", reason, torch.ones(len(saliency), dtype=torch.long), counted=False) for reason in reasons
    )
    scores = torch.zeros(len(saliency), *[parts] * bool(parts))
    pinned = PinnedClasses(torch.zeros(len(saliency), 1, dtype=torch.long))
    return Explanation("x", {"a": raw}, {"a": saliency}, saliency, scores, pinned, {"a": 1.0}, noted)


SLOPE = torch.arange(8.0).view(2, 2, 2)
FLAT = torch.zeros(2, 2, 2)
HALF = torch.stack([SLOPE[0], FLAT[0]])


@pytest.mark.parametrize(
    ("method", "it", "cell"),
    [
        ("gradcam", explanation(SLOPE), "map"),
        ("gradcam", explanation(HALF), "wrong: the same everywhere, and nobody says why"),
        ("gradcam", explanation(HALF, None, FULL, "why"), "wrong: the same everywhere, and nobody says why"),
        ("gradcam", explanation(HALF, -SLOPE, FULL, ZERO_MAP, "why"), f"zero: {ZERO_MAP}; why"),
        ("gradcam", explanation(HALF, HALF, CONSTANT), f"zero: {CONSTANT} (the raw map too)"),
        ("gradcam", explanation(SLOPE[:, :1]), "wrong: shape (2, 1, 2)"),
        ("gradcam", explanation(SLOPE / SLOPE), "wrong: not finite"),
        ("gradcam", explanation(SLOPE, SLOPE + math.inf), "wrong: not finite"),
        ("uniform", explanation(FLAT + 1), "map"),
        ("uniform", explanation(FLAT), "wrong: nothing"),
        ("dff", explanation(torch.stack([SLOPE, FLAT], 1), parts=2), "map"),
        (
            "dff",
            explanation(torch.stack([HALF, FLAT], 1), None, ZERO_MAP, parts=2),
            f"zero: {ZERO_MAP} (the raw map too)",
        ),
    ],
)
def test_what_counts_as_what(method: str, it: Explanation, cell: str) -> None:
    assert cells.judged(method, it, (2, 2)) == cell


class Failing(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        raise self.error


@pytest.mark.parametrize(
    ("error", "cell"),
    [(ConfigError(["first", "second"]), "refused: first"), (ValueError("bad"), "wrong: ValueError: bad")],
)
def test_a_pass_that_fails_is_every_methods_own(error: Exception, cell: str) -> None:
    inputs: Any = torch.zeros(2, 3, 4, 4)
    target = instantiate("target", read_target("top1", cells.REGISTRY), cells.REGISTRY)
    requests = [cells.request(method, (), target) for method in ("center", "uniform", "edges")]
    answers = cells.answered(Failing(error), cells.Batch(inputs, ("0", "1")), requests, "auto")
    assert answers == dict.fromkeys(("center", "uniform", "edges"), cell)
