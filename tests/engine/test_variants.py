"""Re-run variants that several requests ask for: the model runs once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from helpers.hard_nets import Plain, images, seeded
from helpers.requests import TAPS, Mean, batch, explain_all, request_for, target
from xaikit.engine import Request, session
from xaikit.errors import PluginContract
from xaikit.needs import Needs
from xaikit.passes.tally import Tally
from xaikit.reruns.rescore import OutputCache
from xaikit.targets import FunctionTarget
from xaikit.view import View

WEIGHTINGS = ("softmax", "increase", "raw")
FIRST, SECOND = (target("logit", index=index) for index in range(2))


def score(label: str, wanted: Any = FIRST, **options: Any) -> Request:
    changed = {key: options.pop(key) for key in ("seed", "precision", "use", "taps") if key in options}
    return replace(request_for("scorecam", TAPS[:2], wanted, label, **options), **changed)


def weightings(wanted: Any = FIRST) -> list[Request]:
    return [score(one, wanted, weighting=one) for one in WEIGHTINGS]


def reruns(requests: list[Request], model: nn.Module | None = None) -> int:
    tally = Tally()
    explain_all(model or seeded(Plain), batch(images()), requests, tally)
    return tally.reruns


def test_all_weightings_and_targets_cost_the_masks_once_and_the_baseline_at_each_layer() -> None:
    masks = reruns([score("softmax", weighting="softmax")])
    assert reruns(weightings()) == masks + 2
    both = [*weightings(), *(replace(one, label=f"{one.label} 2", target=SECOND) for one in weightings())]
    assert reruns(both) == masks + 2


@pytest.mark.parametrize("order", [WEIGHTINGS, WEIGHTINGS[::-1]])
def test_each_has_the_answer_that_it_has_alone(order: tuple[str, ...]) -> None:
    model, given = seeded(Plain), batch(images())
    requests = [score(one, weighting=one) for one in order]
    together = explain_all(model, given, requests)
    for request in requests:
        alone = explain_all(model, given, [request])[request.label]
        for layer, saliency in alone.maps.items():
            assert torch.equal(together[request.label].maps[layer], saliency)


@pytest.mark.parametrize(
    "changed",
    [{"masks": "normalize_first"}, {"top_channels": 3}, {"seed": 1}, {"precision": "bfloat16"}, {"use": "otherwise"}],
)
def test_other_variants_are_made_anew(changed: dict[str, Any]) -> None:
    requests = [score("one", weighting="softmax"), score("other", weighting="raw", **changed)]
    assert reruns(requests) == sum(reruns([one]) for one in requests)


def test_variants_at_another_layer_are_made_anew() -> None:
    one, other = score("one", weighting="softmax"), score("other", weighting="raw", taps=TAPS[1:])
    assert reruns([one, other]) == reruns([one]) + reruns([replace(other, taps=TAPS[2:])])


def test_what_there_is_no_room_for_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = explain_all(seeded(Plain), batch(images()), weightings())
    monkeypatch.setattr(session, "OutputCache", partial(OutputCache, most=2 * 4 * 3 * 8))  # the masks of one layer
    tally = Tally()
    explanations = explain_all(seeded(Plain), batch(images()), weightings(), tally)
    assert tally.reruns == reruns([score("softmax", weighting="softmax")]) + 2 + 2  # those of the other, twice again
    for label, one in explanations.items():
        assert all(torch.equal(saliency, expected[label].maps[layer]) for layer, saliency in one.maps.items())


def test_where_memory_runs_out_slices_are_others_and_answers_the_same() -> None:
    model = seeded(Plain)
    expected = explain_all(model, batch(images()), weightings())
    rows: list[int] = []

    def hook(module: nn.Module, args: tuple[Tensor]) -> None:
        rows.append(len(args[0]))
        # the first request alone has no room
        if len(args[0]) > 4 and rows.count(8) == 1:
            raise torch.OutOfMemoryError("no room")

    handle = model.head.register_forward_pre_hook(hook)
    explanations = explain_all(model, batch(images()), weightings())
    handle.remove()
    assert rows.count(8) > 1
    for label, one in explanations.items():
        for layer, saliency in one.maps.items():
            assert (saliency - expected[label].maps[layer]).abs().max() <= 1e-12
    assert {one.reason for one in explanations["softmax"].warnings} == {"out of memory: chunks halved to 2"}
    assert explanations["raw"].warnings == ()


def test_an_output_that_is_no_tensor_is_not_kept() -> None:
    class Boxes(Plain):
        def forward(self, x: Tensor) -> Any:
            return {"one": super().forward(x), "two": torch.ones(1)}

    wanted = FunctionTarget(lambda output: output["one"][:, 0])
    requests = [score("softmax", wanted, weighting="softmax"), score("increase", wanted)]
    assert reruns(requests, seeded(Boxes)) == sum(reruns([one], seeded(Boxes)) for one in requests)


# --- the store


def test_outputs_are_found_by_turn_and_slice_as_long_as_there_is_room() -> None:
    cache = OutputCache(most=3 * 8)
    large = torch.arange(100.0).view(50, 2)
    cache.store("first", slice(0, 2), large[:2, :1])
    cache.store("first", slice(2, 3), torch.ones(5))
    cache.store("second", slice(0, 2), {"no": "tensor"})
    output = cache.find("first", slice(0, 2))
    assert output is not None
    assert output.tolist() == [[0.0], [2.0]]
    assert output.untyped_storage().nbytes() == 8  # of the large tensor nothing else is kept
    assert cache.find("first", slice(0, 1)) is None
    assert cache.find("first", slice(2, 3)) is None
    assert cache.find("second", slice(0, 2)) is None


# --- methods of others


@dataclass(frozen=True)
class Drawing(Mean):
    """Weighs by the scores of noisy inputs, a power of them."""

    power: float = 1.0
    count: int = 3
    drawn: list[Tensor] = field(default_factory=list, compare=False)
    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)

    def variants(self) -> Hashable:
        return self.count

    def explain(self, view: View) -> Tensor:
        noise = view.generator.normal(self.count, *view.image.shape[1:])
        self.drawn.append(noise)
        scores = view.rescore(self.count, lambda part: view.image.unsqueeze(1) + noise[:, part])
        return scores.pow(self.power).sum(2)[..., None, None] * view.activations.mean(view.channel)


def test_variants_that_are_drawn_are_the_same_for_options_that_they_do_not_depend_on() -> None:
    one = request_for(Drawing(), TAPS[:1])
    square, longer = (
        replace(one, label="square", method=Drawing(2.0)),
        replace(one, label="longer", method=Drawing(1.0, 4)),
    )
    assert reruns([one, square]) == reruns([one]) == 1
    assert reruns([one, square, longer]) == 2
    explanations = explain_all(seeded(Plain), batch(images()), [one, square])
    assert not torch.equal(explanations["mine"].maps["conv1"], explanations["square"].maps["conv1"])
    alone = explain_all(seeded(Plain), batch(images()), [square])["square"]
    assert torch.equal(explanations["square"].maps["conv1"], alone.maps["conv1"])
    assert torch.equal(one.method.drawn[0], square.method.drawn[0])  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Declaring(Mean):
    """Says of its variants what it is given to say."""

    say: Callable[[], Any]
    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)

    def variants(self) -> Any:
        return self.say()


@pytest.mark.parametrize(
    ("say", "error", "message"),
    [
        (lambda: [1], PluginContract, r"variants: expected a hashable value, got \[1\]"),
        (lambda: 1 / 0, ZeroDivisionError, "division by zero"),
    ],
)
def test_a_declaration_that_is_none_fails_its_own_request(say: Any, error: type[Exception], message: str) -> None:
    request, failed = request_for(Declaring(say), TAPS[:1]), dict[str, Exception]()
    with pytest.raises(error, match=message):
        explain_all(seeded(Plain), batch(images()), [request])
    explanations = explain_all(
        seeded(Plain),
        batch(images()),
        [request, request_for("gradcam")],
        failed=lambda one, raised: failed.update({one.label: raised}),
    )
    assert list(explanations) == ["gradcam"]
    assert isinstance(failed["mine"], error)


def test_an_option_of_that_name_declares_nothing() -> None:
    @dataclass(frozen=True)
    class Optioned(Drawing):
        variants: int = 3  # type: ignore[assignment]

    requests = [request_for(Optioned(), TAPS[:1]), replace(request_for(Optioned(2.0), TAPS[:1]), label="other")]
    assert reruns(requests) == 2
