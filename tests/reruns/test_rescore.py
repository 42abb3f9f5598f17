"""Re-scoring: variants of the input in chunks, each scored for the target that was pinned on the clean pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Plain, TwoInputs, images, seeded
from helpers.untouched import untouched
from xaikit import Needs
from xaikit.passes.chunks import BUDGET, MOST_ROWS, rows_of_activations, rows_of_inputs
from xaikit.view import View

COUNT = 70


def variant(image: Tensor, place: int) -> Tensor:
    return image * (place - 3) / 10


@dataclass(frozen=True)
class Rescored:
    """Keeps what rescore gives, and the sizes of the chunks that were asked for."""

    records: list[Tensor]
    sizes: list[int]
    probabilities: bool = False
    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)

    def explain(self, view: View) -> Tensor:
        def make(part: slice) -> Tensor:
            places = range(COUNT)[part]
            self.sizes.append(len(places))
            return torch.stack([variant(view.image, place) for place in places], 1)

        self.records.append(view.rescore(COUNT, make, probabilities=self.probabilities))
        return view.activations.mean(view.channel)


def rescored(model: nn.Module, x: Any, probabilities: bool = False, **more: Any) -> tuple[Tensor, list[int], Any]:
    method = Rescored([], [], probabilities)
    with untouched(model, x):
        explanation = xaikit.explain(model, x, {"mine": method}, layers="conv2", **more)["mine"]
    return method.records[0], method.sizes, explanation.warnings


@pytest.mark.parametrize("samples", [1, 3])
def test_every_variant_gets_the_score_of_the_pinned_class(samples: int) -> None:
    model, x = seeded(Plain), images(samples, 2, 8, 7)
    scores, sizes, _ = rescored(model, x)
    with torch.no_grad():
        top = model(x).argmax(1, keepdim=True)
        expected = torch.stack([model(variant(x, place)).gather(1, top) for place in range(COUNT)], 2)
    assert (expected.argmax(2) != 3).any()  # another class would win on some variant
    assert (scores - expected).abs().max() <= 1e-12
    assert sum(sizes) == COUNT
    assert max(sizes) * samples <= MOST_ROWS


def test_probabilities_are_those_of_the_pinned_classes() -> None:
    model, x = seeded(Plain), images(2, 2, 8, 7)
    scores, *_ = rescored(model, x, probabilities=True, target={"use": "classes", "of": [2, 0]})
    with torch.no_grad():
        expected = torch.stack([model(variant(x, place)).softmax(1)[:, [2, 0]] for place in range(COUNT)], 2)
    assert (scores - expected).abs().max() <= 1e-12


def test_a_target_that_is_no_class_has_no_probability() -> None:
    with pytest.raises(xaikit.ConfigError, match="expected classes, which have a probability, got PinnedFunction"):
        rescored(seeded(Plain), images(), probabilities=True, target=lambda output: output[:, 0])


@pytest.mark.parametrize("as_dict", [False, True])
def test_other_inputs_of_the_model_stay_as_they_are(as_dict: bool) -> None:
    model, image = seeded(TwoInputs), images(3, 2, 8, 7)
    extra = torch.arange(15.0, dtype=torch.float64).view(3, 5) / 10
    inputs: Any = {"image": image, "extra": extra} if as_dict else (image, extra)
    scores, *_ = rescored(model, inputs, target=1)
    with torch.no_grad():
        expected = torch.stack([model(variant(image, place), extra)[:, 1:2] for place in range(COUNT)], 2)
    assert (scores - expected).abs().max() <= 1e-12


def test_a_callable_that_knows_its_samples_scores_one_variant_at_a_time_or_by_rows() -> None:
    model, x = seeded(Plain), images(2, 2, 8, 7)
    scores, *_ = rescored(model, x, target=lambda output: output[:, 2])
    with torch.no_grad():
        expected = torch.stack([model(variant(x, place))[:, 2:] for place in range(COUNT)], 2)
    assert (scores - expected).abs().max() <= 1e-12


def test_where_memory_runs_out_the_chunk_is_halved_and_said() -> None:
    model, x = seeded(Plain), images(1, 2, 8, 7)
    expected, *_ = rescored(model, x)

    def hook(module: nn.Module, args: tuple[Tensor]) -> None:
        if len(args[0]) > 10:
            raise torch.OutOfMemoryError("no room")

    handle = model.head.register_forward_pre_hook(hook)
    scores, sizes, warnings = rescored(model, x)
    handle.remove()
    assert (scores - expected).abs().max() <= 1e-12
    assert sizes == [32, 16, *[8] * 8, 6]
    assert [remark.reason for remark in warnings] == [f"out of memory: chunks halved to {size}" for size in (16, 8)]


def test_precision_is_that_of_the_variants_alone() -> None:
    model, x = seeded(Plain, torch.float32), images(2, 2, 8, 7, dtype=torch.float32)
    dtypes: list[torch.dtype] = []
    handle = model.conv2.register_forward_hook(lambda *call: dtypes.append(call[2].dtype))
    full, *_ = rescored(model, x)
    half, *_ = rescored(model, x, precision="bfloat16")
    handle.remove()
    assert dtypes.count(torch.bfloat16) == (len(dtypes) - 2) // 2
    assert half.dtype == torch.float32
    assert 0 < (half - full).abs().max() < 0.05 * full.abs().max()


def test_a_precision_that_does_not_exist() -> None:
    with pytest.raises(xaikit.ConfigError, match="precision: expected one of float32, bfloat16, float16, got 'half'"):
        rescored(seeded(Plain), images(), precision="half")


def test_chunks_come_from_a_fixed_budget() -> None:
    assert rows_of_inputs(torch.zeros(1, 3, 8, 8)) == MOST_ROWS
    assert rows_of_inputs(torch.zeros(1, 3, 224, 224)) == BUDGET // (27 * 4 * 3 * 224 * 224) == 16
    assert rows_of_inputs(torch.empty(1, 3, 9000, 9000, device="meta")) == 1
    assert rows_of_activations(torch.zeros(1, 512, 7, 7)) == BUDGET // (4 * 512 * 49)
