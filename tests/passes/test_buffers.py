"""Buffers are after a pass what they were before; what a forward leaves alone is copied once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Plain, images, seeded
from helpers.untouched import untouched
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call


class Counting(Plain):
    """Counts its forwards, and the score depends on how many there were."""

    def __init__(self, count: Callable[[Any], None]) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(3))
        self.register_buffer("other", torch.arange(3.0))
        self.count = count

    def features(self, x: Tensor) -> Tensor:
        self.count(self)
        return super().features(x) * (1 + self.seen.sum())


def in_place(model: Any) -> None:
    model.seen += 1


def in_place_without_a_version(model: Any) -> None:
    model.seen.data += 1


def by_another(model: Any) -> None:
    model.seen = model.seen + 1


def by_a_kernel(model: Any) -> None:
    nn.functional.batch_norm(torch.eye(4, 3, dtype=torch.float64), model.seen, model.other, training=True)


def without_grad(model: Any) -> None:
    with torch.inference_mode():
        model.seen += 1


COUNTS = [in_place, in_place_without_a_version, by_another, by_a_kernel, without_grad]


@pytest.mark.parametrize("mode", ["eval", "as_is"])
@pytest.mark.parametrize("count", COUNTS)
def test_what_a_forward_counts_is_undone(count: Callable[[Any], None], mode: Any) -> None:
    model, x = seeded(lambda: Counting(count)), images()
    with untouched(model, x):
        maps = [
            xaikit.explain(model, x, ["gradcam", "ablationcam", "scorecam"], layers="conv2", target=1, mode=mode)
            for _ in range(2)
        ]
    for name, explanation in maps[0].items():
        assert explanation.map is not None
        assert torch.equal(explanation.map, maps[1][name].map)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_it_is_undone_also_where_a_forward_raises(error: type[BaseException]) -> None:
    def count(model: Any) -> None:
        in_place(model)
        by_another(model)
        raise error

    model, x = seeded(lambda: Counting(count)), images()
    for _ in range(2):
        with untouched(model, x), pytest.raises(error):
            xaikit.explain(model, x, layers="conv2", target=1)


def test_what_a_whole_forward_leaves_alone_is_copied_no_more_and_what_shares_it_shares_the_copy() -> None:
    model, x = seeded(lambda: Counting(in_place)), images()
    model.conv1.register_buffer("same", model.seen)
    own = dict(model.named_buffers(remove_duplicate=False))
    everything, counted = set(own), {"seen", "conv1.same"}
    for copied, runs in ((everything, False), (everything, True), (counted, True), (counted, False), (counted, True)):
        with untouched(model), undisturbed(model):
            now = dict(model.named_buffers(remove_duplicate=False))
            assert {name for name in own if now[name] is not own[name]} == copied
            assert now["seen"] is now["conv1.same"]
            if runs:
                call(model, x)


def test_what_a_later_pass_changes_is_copied_from_then_on() -> None:
    model, x = seeded(lambda: Counting(lambda model: None)), images()
    with untouched(model), undisturbed(model):
        call(model, x)
    with undisturbed(model):
        in_place(model)
    assert model.seen.tolist() == [1, 1, 1]
    with untouched(model), undisturbed(model):
        in_place(model)


def test_what_a_model_caches_outside_its_state_stays_and_what_it_makes_anew() -> None:
    def count(model: Any) -> None:
        model.cache = model.cache + 1
        if model.made is None:
            model.made = torch.zeros(2)

    model, x = seeded(lambda: Counting(count)), images()
    model.register_buffer("cache", torch.zeros(1), persistent=False)
    model.register_buffer("made", None)
    xaikit.explain(model, x, layers="conv2", target=1)
    assert model.cache.item() >= 1
    assert model.made.tolist() == [0, 0]


def test_buffers_that_were_made_in_inference_mode() -> None:
    with torch.inference_mode():
        model = seeded(lambda: Counting(in_place))
    for _ in range(2):
        with untouched(model), undisturbed(model):
            in_place(model)
