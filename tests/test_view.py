"""What a method may see: the shapes, what it must declare, and randomness that is its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from helpers.nets import PROPERTY
from helpers.views import ALL, MODULE, TAP, made_trace, made_view
from xaikit.draws import SampleGenerator
from xaikit.errors import UndeclaredNeed
from xaikit.needs import Needs
from xaikit.view import View

# --- shapes


@PROPERTY
@given(st.integers(1, 3), st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_evidence_has_samples_targets_channels_space(samples: int, channels: int, space: list[int]) -> None:
    activations, gradients = torch.rand(samples, channels, *space), torch.rand(samples, 3, channels, *space)
    for columns, targets in ((slice(0, 1), 1), (slice(1, 3), 2)):
        view = made_view(activations, gradients, columns=columns)
        assert view.activations.shape == (samples, 1, channels, *space)
        assert view.gradients.shape == (samples, targets, channels, *space)
        assert torch.equal(view.gradients, gradients[:, columns])
        assert torch.equal(view.scores, torch.arange(samples * 3.0).view(samples, 3)[:, columns])
        assert view.activations.shape[view.channel] == channels
        assert [view.activations.shape[axis] for axis in view.space] == space


def test_a_view_names_its_layer_as_it_is_shown() -> None:
    assert made_view(torch.zeros(1, 1, 1)).layer == "features+"


# --- needs


@pytest.mark.parametrize(
    ("name", "read", "needed"),
    [
        ("gradients", lambda view: view.gradients, "gradients=1"),
        ("scores", lambda view: view.scores, "scores=True"),
        ("inputs", lambda view: view.inputs, "inputs=True"),
        ("image", lambda view: view.image, "inputs=True"),
        ("module", lambda view: view.module, "module=True"),
        ("retrace", lambda view: view.retrace(None), "reruns=True"),
        ("at", lambda view: view.at("conv"), "reruns=True"),
        ("rescore", lambda view: view.rescore(1, None), "reruns=True"),
        ("retrace_with", lambda view: view.retrace_with(None), "replays=True"),
        ("gradients_with", lambda view: view.gradients_with(1, None), "gradients=1, replays=True"),
        ("rescore_with", lambda view: view.rescore_with(1, None), "replays=True"),
        ("hvp", lambda view: view.hvp(None), "gradients=2"),
    ],
)
def test_what_was_not_declared_cannot_be_read(name: str, read: Callable[[View], Any], needed: str) -> None:
    view = made_view(torch.zeros(1, 1, 1), torch.zeros(1, 3, 1, 1), needs=Needs(scores=False))
    with pytest.raises(UndeclaredNeed) as caught:
        read(view)
    assert str(caught.value) == f"view.{name} was read but not declared: needs = Needs({needed})"


def test_first_derivatives_do_not_declare_second_ones() -> None:
    with pytest.raises(UndeclaredNeed, match="gradients=2"):
        made_view(torch.zeros(1, 1, 1), needs=Needs(gradients=1)).hvp(torch.zeros(1, 1, 1, 1))


def test_activations_and_randomness_come_without_asking() -> None:
    view = made_view(torch.zeros(2, 1, 1), needs=Needs())
    assert view.activations.shape == (2, 1, 1, 1)
    assert view.scores.shape == (2, 1)
    assert view.generator.normal(3).shape == (2, 3)


def test_what_was_declared_is_handed_over_as_it_is() -> None:
    calls: list[Any] = []

    class Reruns:
        def __getattr__(self, name: str) -> Callable[..., str]:
            return lambda *given: calls.append((name, *given)) or "done"

    view = made_view(torch.zeros(1, 1, 1), needs=replace(ALL, gradients=2), reruns=Reruns())
    assert view.module is MODULE
    assert view.image is view.inputs
    assert {
        view.retrace(view.inputs),
        view.retrace_with(view.activations),
        view.rescore(3, len, probabilities=True),
        view.rescore_with(4, len),
        view.hvp(view.scores),
    } == {"done"}
    assert [(name, given[0]) for name, *given in calls[2:4]] == [("rescore", 3), ("rescore_with", 4)]
    assert [name for name, *_ in calls] == ["retrace", "retrace_with", "rescore", "rescore_with", "hvp"]


def test_the_shape_of_a_map_needs_no_score() -> None:
    view = made_view(torch.zeros(2, 5, 4, 3), needs=Needs(scores=False), columns=slice(1, 3))
    assert view.shape == (2, 2, 4, 3)


# --- some targets of a trace


@pytest.mark.parametrize(("targets", "columns"), [([0], [0]), ([1], [1, 2]), ([0, 1], [0, 1, 2])])
def test_a_narrowed_trace_has_the_columns_of_its_targets_uncopied(targets: list[int], columns: list[int]) -> None:
    trace = made_trace(torch.rand(2, 4, 5), torch.rand(2, 3, 4, 5))
    narrowed = trace.narrowed(targets, [TAP])
    assert torch.equal(narrowed.scores, trace.scores[:, columns])
    assert torch.equal(narrowed.gradients[TAP], trace.gradients[TAP][:, columns])
    assert narrowed.gradients[TAP].untyped_storage().data_ptr() == trace.gradients[TAP].untyped_storage().data_ptr()
    assert narrowed.activations[TAP] is trace.activations[TAP]
    assert narrowed.columns == (slice(0, len(columns)),)
    (pinned,) = narrowed.pinned
    assert pinned.scores(trace.output).shape == (2, len(columns))
    assert pinned is trace.pinned[targets[0]] or len(targets) > 1


def test_targets_that_lie_apart_are_brought_together() -> None:
    trace = made_trace(torch.rand(2, 4, 5), torch.rand(2, 3, 4, 5))
    trace = replace(trace, pinned=(trace.pinned[0],) * 3, columns=tuple(slice(place, place + 1) for place in range(3)))
    narrowed = trace.narrowed([0, 2], [TAP])
    assert torch.equal(narrowed.scores, trace.scores[:, [0, 2]])
    assert torch.equal(narrowed.gradients[TAP], trace.gradients[TAP][:, [0, 2]])
    assert narrowed.columns == (slice(0, 2),)


# --- remarks


@pytest.mark.parametrize(
    ("where", "counts"),
    [
        (torch.tensor([[True, False, True], [False, False, False]]), [[2], [0]]),
        (torch.tensor([[[True, True], [True, False]], [[False, False], [False, True]]]), [[2, 1], [0, 1]]),
        (torch.tensor([[[True, True, True]], [[False, False, True]]]), [[3], [1]]),
        (torch.tensor([False, True]), [[0], [1]]),
    ],
)
def test_a_warning_is_counted_for_every_sample_and_target(where: Tensor, counts: list[list[int]]) -> None:
    view = made_view(torch.zeros(2, 1, 1), columns=slice(1, 3))
    view.warn("left out", where)
    (noted,) = view.noted
    assert (noted.layer, noted.reason) == ("features+", "left out")
    assert noted.counts.tolist() == counts


# --- random numbers


@dataclass(frozen=True)
class Draw:
    """One call of a generator."""

    kind: str
    shape: tuple[int, ...] = field(default=(4, 3))

    def of(self, *seeds: int, dtype: torch.dtype = torch.float64) -> Tensor:
        drawn: Tensor = getattr(SampleGenerator(seeds, torch.empty(0, dtype=dtype)), self.kind)(*self.shape)
        return drawn


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_sample_draws_the_same_in_any_batch(kind: str) -> None:
    draw = Draw(kind)
    together = draw.of(5, 6, 7)
    assert together.shape == (3, 4, 3)
    assert torch.equal(together, torch.cat([draw.of(seed) for seed in (5, 6, 7)]))
    assert torch.equal(draw.of(7, 5), together[[2, 0]])
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_precision_rounds_what_is_drawn_and_changes_nothing_else(dtype: torch.dtype) -> None:
    drawn = Draw("normal").of(5, dtype=dtype)
    assert drawn.dtype == dtype
    assert torch.equal(drawn, Draw("normal").of(5).to(dtype))


def test_a_stream_goes_on() -> None:
    generator = SampleGenerator([5], torch.empty(0))
    assert not torch.equal(generator.normal(4), generator.normal(4))


def test_the_global_random_state_is_neither_read_nor_changed() -> None:
    before = torch.random.get_rng_state()
    first = Draw("uniform").of(5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)
        assert torch.equal(Draw("uniform").of(5), first)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_numbers_have_the_distribution_they_say() -> None:
    normal = Draw("normal", (20_000,)).of(1)
    assert abs(normal.mean().item()) < 0.03
    assert abs(normal.std().item() - 1) < 0.03
    uniform = Draw("uniform", (20_000,)).of(1)
    assert 0 <= uniform.min() < uniform.max() < 1
    assert abs(uniform.mean().item() - 0.5) < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_uniform_numbers_are_below_1_in_any_precision(dtype: torch.dtype) -> None:
    numbers = SampleGenerator([0, 1], torch.empty(0, dtype=dtype)).uniform(4000)
    assert numbers.dtype == dtype
    assert 0 <= float(numbers.min()) <= float(numbers.max()) < 1
    exact = SampleGenerator([0, 1], torch.empty(0, dtype=torch.float64)).uniform(4000)
    assert torch.allclose(numbers.double(), exact, atol=float(torch.finfo(dtype).eps))
