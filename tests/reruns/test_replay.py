"""Replays: what lies behind a tap again, from other activations, equal to the whole model run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Plain, Skip, images, seeded
from helpers.requests import request_for
from helpers.untouched import untouched
from xaikit import Needs
from xaikit.engine import Batch, explain
from xaikit.engine.session import replay_ways
from xaikit.errors import TapError
from xaikit.evidence.observe import observe
from xaikit.evidence.taps import Tap
from xaikit.passes.chunks import in_chunks
from xaikit.passes.tally import Tally
from xaikit.reruns.replay import FULL
from xaikit.view import View

COUNT = 7


class Concatenated(Plain):
    """conv1's output is concatenated, by sample, with what comes of conv2."""

    def __init__(self) -> None:
        super().__init__()
        self.join = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.act1(self.conv1(x))
        return self.classify(self.join(torch.cat([self.conv2(first), first], 1)).tanh())


class Halved(Plain):
    """An operation in place behind conv2 that done twice is not done once."""

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.conv2(self.act1(self.conv1(x))).mul_(0.5).sigmoid())


def variants_of(activations: Tensor, part: slice) -> Tensor:
    """Variant k of (N, C, *S) is k / 3 times the activations, its first channel less k."""
    factors = torch.arange(COUNT, dtype=activations.dtype)[part]
    shape = (1, -1, *[1] * (activations.dim() - 1))
    made = activations.unsqueeze(1) * factors.view(shape) / 3
    made[:, :, 0] -= factors.view(1, -1, *[1] * (activations.dim() - 2))
    return made


@dataclass(frozen=True)
class Replayed:
    """Keeps what rescore_with gives."""

    records: list[Tensor]
    needs: ClassVar[Needs] = Needs(replays=True)

    def explain(self, view: View) -> Tensor:
        activations = view.activations.squeeze(1)
        self.records.append(view.rescore_with(COUNT, lambda part: variants_of(activations, part)))
        return view.activations.mean(view.channel)


def replayed(model: nn.Module, x: Any, layer: str, **more: Any) -> tuple[Tensor, Sequence[Any]]:
    """The scores (N, T, COUNT) and the warnings."""
    method = Replayed([])
    with untouched(model, x):
        explanation = xaikit.explain(model, x, {"mine": method}, layers=layer, **more)["mine"]
    return method.records[0], explanation.warnings


def by_hand(
    model: nn.Module,
    x: Tensor,
    layer: str,
    score: Callable[[Tensor], Tensor],
    after: Callable[[Tensor], Tensor] = torch.clone,
) -> Tensor:
    """Every variant by a hook of its own and a run of the whole model on all samples."""
    with torch.no_grad():
        records: list[Tensor] = []
        handle = model.get_submodule(layer).register_forward_hook(lambda *call: records.append(call[2].clone()))
        model(x)
        handle.remove()
        columns = []
        for place in range(COUNT):
            variant = variants_of(records[0], slice(place, place + 1))[:, 0]
            handle = model.get_submodule(layer).register_forward_hook(lambda *_, variant=variant: after(variant))
            columns.append(score(model(x)))
            handle.remove()
    return torch.stack(columns, 2)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(
    ("build", "layer", "whole"),
    [
        (Plain, "conv2", False),
        (Plain, "act1", False),
        (lambda: Plain(inplace=True), "conv2", False),
        (Skip, "conv2", False),
        (Concatenated, "conv2", True),
    ],
    ids=["last", "middle", "in place", "skip", "concatenation"],
)
def test_a_replay_is_the_whole_model_run_again(build: Any, layer: str, whole: bool, samples: int) -> None:
    model, x = seeded(build), images(samples, 2, 8, 7)
    scores, warnings = replayed(model, x, layer, target={"use": "classes", "of": [0, 2]})
    expected = by_hand(model, x, layer, lambda output: output[:, [0, 2]])
    assert scores.shape == (samples, 2, COUNT)
    assert (expected.std(2) > 1e-3).all()
    assert (scores - expected).abs().max() <= 1e-12
    assert [remark.reason for remark in warnings if remark.reason == FULL] == [FULL] * (samples if whole else 0)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("build", [Plain, lambda: Plain(inplace=True), Skip, Concatenated])
def test_the_true_activations_give_the_true_score_to_the_bit(build: Any, samples: int) -> None:
    @dataclass(frozen=True)
    class Unchanged(Replayed):
        def explain(self, view: View) -> Tensor:
            def make(part: slice) -> Tensor:
                return view.activations.expand(-1, part.stop - part.start, *view.activations.shape[2:])

            self.records.extend((view.rescore_with(COUNT, make), view.scores))
            return view.activations.mean(view.channel)

    model, x = seeded(build), images(samples, 2, 8, 7)
    records: list[Tensor] = []
    with untouched(model, x):
        xaikit.explain(model, x, {"mine": Unchanged(records)}, layers="conv2", target={"use": "top", "k": 2})
    assert torch.equal(records[0], records[1].unsqueeze(2).expand(-1, -1, COUNT))


def test_every_sample_keeps_the_target_that_was_pinned_on_it() -> None:
    model, x = seeded(Plain), images(3, 2, 8, 7)
    scores, _ = replayed(model, x, "conv2", target=[2, 0, 1])
    chosen = torch.tensor([[2], [0], [1]])
    assert (scores - by_hand(model, x, "conv2", lambda output: output.gather(1, chosen))).abs().max() <= 1e-12


def test_a_callable_target_scores_rows_or_one_variant_at_a_time() -> None:
    model, x = seeded(Plain), images(3, 2, 8, 7)
    for target in (lambda output: output[:, 1], lambda output: output[torch.arange(3), torch.tensor([1, 1, 1])]):
        scores, _ = replayed(model, x, "conv2", target=target)
        assert (scores - by_hand(model, x, "conv2", lambda output: output[:, 1:2])).abs().max() <= 1e-12


def test_a_tap_as_consumed_is_replayed_where_the_operation_can_be_done_twice() -> None:
    model, x = seeded(lambda: Plain(inplace=True)), images(2, 2, 8, 7)
    scores, _ = replayed(model, x, "conv2+", target=1)
    # what is put in its place goes through the ReLU once more
    expected = by_hand(seeded(Plain), x, "act2", lambda output: output[:, 1:2], lambda variant: variant.relu())
    assert (expected.std(2) > 1e-5).all()
    assert (scores - expected).abs().max() <= 1e-12


def test_an_operation_in_place_that_cannot_be_done_twice_is_refused_by_name() -> None:
    with pytest.raises(TapError, match=r"layer conv2\+: cannot be replayed"):
        replayed(seeded(Halved), images(), "conv2+")


def test_what_the_method_raises_is_not_taken_for_a_way_that_fails() -> None:
    @dataclass(frozen=True)
    class Wrong(Replayed):
        def explain(self, view: View) -> Tensor:
            return view.rescore_with(3, lambda part: 1 / 0)  # type: ignore[return-value, arg-type]

    with pytest.raises(ZeroDivisionError):
        xaikit.explain(seeded(Plain), images(), {"mine": Wrong([])}, layers="conv2")


@pytest.mark.parametrize(("build", "way"), [(Plain, "joint"), (Skip, "each"), (Concatenated, "full")])
def test_the_plan_is_told_the_way(build: Any, way: str) -> None:
    model, batch = seeded(build), Batch(images(), ("a", "b"))
    request = request_for(Replayed([]), [Tap("conv2")])
    trace = observe(
        model, batch.inputs, [Tap("conv2")], lambda output: [request.target.pin(output, None)], gradients=False
    )
    with untouched(model, batch.inputs):
        assert replay_ways(model, trace, request, "auto") == {"conv2": way}


# --- the prefix is paid once


def test_the_layers_before_the_tap_run_on_the_inputs_and_those_behind_on_all_variants() -> None:
    model, x = seeded(Plain), images(2, 2, 8, 7)
    rows: dict[str, list[int]] = {"conv1": [], "act2": []}
    for name, counts in rows.items():
        model.get_submodule(name).register_forward_hook(lambda *call, counts=counts: counts.append(len(call[2])))
    xaikit.explain(model, x, {"mine": Replayed([])}, layers="conv2")
    assert rows == {"conv1": [2, 2], "act2": [2, 2 * (COUNT + 1)]}  # one more: the true activation, for the check


# --- memory


def test_where_memory_runs_out_the_chunk_is_halved_said_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = seeded(Plain), images(2, 2, 8, 7)
    expected, _ = replayed(model, x, "conv2")
    handle = model.head.register_forward_pre_hook(_at_most(8))
    scores, warnings = replayed(model, x, "conv2")
    handle.remove()
    assert (scores - expected).abs().max() <= 1e-12
    assert "out of memory: chunks halved to 4" in {remark.reason for remark in warnings}


def _at_most(rows: int) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple[Tensor]) -> None:
        if len(args[0]) > rows:
            raise torch.OutOfMemoryError("no room")

    return hook


def test_chunks_cover_everything_once_and_a_chunk_of_one_that_does_not_fit_raises() -> None:
    parts: list[slice] = []
    sizes: list[int] = []

    def work(part: slice) -> Tensor:
        if part.stop - part.start > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        parts.append(part)
        return torch.zeros(1)

    assert len(in_chunks(9, 8, work, sizes.append)) == 5
    assert [place for part in parts for place in range(9)[part]] == list(range(9))
    assert sizes == [4, 2]
    with pytest.raises(MemoryError):
        in_chunks(3, 2, lambda part: (_ for _ in ()).throw(MemoryError()), sizes.append)
    with pytest.raises(RuntimeError, match="else"):
        in_chunks(3, 2, lambda part: (_ for _ in ()).throw(RuntimeError("something else")), sizes.append)


# --- retrace_with


@dataclass(frozen=True)
class Retraced:
    """Keeps the evidence at other activations."""

    records: list[View]
    needs: ClassVar[Needs] = Needs(gradients=1, replays=True)

    def explain(self, view: View) -> Tensor:
        self.records.append(view.retrace_with(view.activations.squeeze(1) * 0.5))
        return view.activations.mean(view.channel)


@pytest.mark.parametrize("build", [Plain, Skip, Concatenated])
def test_evidence_at_other_activations_is_that_of_the_tail_there(build: Any) -> None:
    model, x = seeded(build), images()
    method = Retraced([])
    with untouched(model, x):
        xaikit.explain(model, x, {"mine": method}, layers="conv2", target=1)
    (view,) = method.records
    handle = model.conv2.register_forward_hook(lambda *call: (call[2] * 0.5).detach().requires_grad_())
    records: list[Tensor] = []
    model.conv2.register_forward_hook(lambda *call: records.append(call[2]))
    score = model(x)[:, 1]
    (gradient,) = torch.autograd.grad(score.sum(), records[0])
    handle.remove()
    assert torch.equal(view.activations.squeeze(1), records[0])
    assert (view.scores.squeeze(1) - score).abs().max() <= 1e-12
    assert (view.gradients.squeeze(1) - gradient).abs().max() <= 1e-12


def test_further_passes_are_counted_apart() -> None:
    model, x = seeded(Plain), images()
    tally = Tally()
    request = request_for(Replayed([]), [Tap("conv2")])
    explain(model, Batch(x, ("a", "b")), [request], tally=tally)
    assert (tally.forwards, tally.reruns, tally.gradient_calls) == (2, 1, 0)


def test_a_score_near_zero_is_held_against_the_size_of_the_output() -> None:
    model, x = seeded(Plain, torch.float32), images(2, 2, 8, 7, dtype=torch.float32)
    with torch.no_grad():
        near = model(x)[:, 0].clone()
    _, warnings = replayed(model, x, "conv2", target=lambda output: output[:, 0] - near[0])
    assert FULL not in {remark.reason for remark in warnings}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_models_of_half_precision_are_replayed_by_their_tail_too(dtype: torch.dtype) -> None:
    model, x = seeded(Plain, dtype), images(2, 2, 8, 7, dtype=dtype)
    scores, warnings = replayed(model, x, "conv2")
    assert scores.isfinite().all()
    assert FULL not in {remark.reason for remark in warnings}
