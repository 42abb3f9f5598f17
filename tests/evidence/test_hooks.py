"""What a tap's hook makes of what it meets."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.hard_nets import Aliased, Nested, Pair, Plain, Raising, Twice, Unused, images, seeded
from helpers.untouched import untouched
from xaikit import evidence
from xaikit.auto import survey
from xaikit.errors import TapError
from xaikit.evidence.forward import call
from xaikit.evidence.hooks import StopForward
from xaikit.evidence.recorder import Recording
from xaikit.evidence.taps import Tap
from xaikit.passes import weights


def record(model: nn.Module, inputs: Any, *taps: Tap, differentiate: bool = True) -> Recording:
    recording = Recording(taps, differentiate)
    with torch.no_grad(), recording.hooked(model):
        call(model, inputs)
    return recording


def points_of(recording: Recording) -> dict[Tap, Tensor]:
    """The one tensor of every tap."""
    return {tap: point.tensor for tap, (point,) in recording.recorded().points.items()}


class TestHook:
    def test_the_first_tap_is_a_leaf_and_the_next_hangs_on_it(self) -> None:
        model, x = seeded(Plain), images()
        with untouched(model, x):
            points = points_of(record(model, x, Tap("conv1"), Tap("conv2")))
        first, second = points[Tap("conv1")], points[Tap("conv2")]
        assert first.is_leaf
        assert first.requires_grad
        assert not second.is_leaf

    def test_nothing_before_the_first_tap_is_kept_for_a_backward_pass(self) -> None:
        saved: list[Tensor] = []
        model, x = seeded(Plain), images()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            record(model, x, Tap("conv2"))
        assert saved
        weights = {model.conv1.weight.data_ptr(), x.data_ptr()}
        assert not any(tensor.data_ptr() in weights for tensor in saved)

    def test_nothing_is_differentiable_where_nobody_asks_for_gradients(self) -> None:
        model, x = seeded(Plain), images()
        with untouched(model, x):
            points = points_of(record(model, x, Tap("conv1"), Tap("conv2"), differentiate=False))
        assert not any(point.requires_grad for point in points.values())

    def test_what_is_kept_is_what_the_module_returned_although_it_is_changed_in_place_behind_it(self) -> None:
        model, x = seeded(lambda: Plain(inplace=True)), images()
        with untouched(model, x):
            points = points_of(record(model, x, Tap("conv2"), Tap("conv2", at="consumed")))
        returned, consumed = points[Tap("conv2")], points[Tap("conv2", at="consumed")]
        assert bool((returned < 0).any())
        assert torch.equal(returned.relu(), consumed)

    def test_inference_mode_of_the_models_own_ends_at_the_tap(self) -> None:
        class Inside(Plain):
            def classify(self, x: Tensor) -> Tensor:
                assert not torch.is_inference_mode_enabled()
                return super().classify(x)

            @torch.inference_mode()
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x)

        model, x = seeded(Inside), images()
        with untouched(model, x):
            point = points_of(record(model, x, Tap("conv2")))[Tap("conv2")]
        assert not point.is_inference()

    def test_grad_switched_off_on_the_way_is_noticed(self) -> None:
        class Off(Plain):
            def features(self, x: Tensor) -> Tensor:
                with torch.no_grad():
                    return super().features(x)

        model, x = seeded(Off), images()
        with untouched(model, x):
            assert record(model, x, Tap("conv1")).severed
            assert not record(seeded(Plain), x, Tap("conv1")).severed

    def test_integers_cannot_be_differentiated(self) -> None:
        model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        with pytest.raises(
            TapError, match=r"layer 0: expected floating-point numbers to differentiate, got torch.int64"
        ):
            record(model, torch.zeros(1, 2, dtype=torch.long), Tap("0"))


class TestCalls:
    def test_the_first_and_the_last_call_of_a_module_can_be_told_apart(self) -> None:
        model, x = seeded(Twice), images()
        first, last = Tap("conv2", call="first"), Tap("conv2", call="last")
        with untouched(model, x):
            points = record(model, x, first, last, Tap("act1")).recorded().points
        (once,), (twice,), (given,) = points[first], points[last], points[Tap("act1")]
        assert (once.turn, twice.turn) == (1, 2)
        assert torch.equal(once.tensor, model.conv2(given.tensor))
        assert torch.equal(twice.tensor, model.conv2(once.tensor))

    def test_a_forward_may_stop_behind_its_last_tap(self) -> None:
        model, x = seeded(Plain), images()
        reached: list[str] = []
        for name in ("conv1", "conv2", "act2"):
            model.get_submodule(name).register_forward_hook(lambda *_, name=name: reached.append(name))
        recording = Recording([Tap("conv2"), Tap("conv1")], differentiate=False, stop=True)
        with untouched(model, x), torch.no_grad(), pytest.raises(StopForward), recording.hooked(model):
            call(model, x)
        assert reached == ["conv1", "conv2"]
        assert {len(points) for points in recording.recorded().points.values()} == {1}

    @pytest.mark.parametrize("tap", [Tap("conv1", call="last"), Tap("conv1", at="consumed")])
    def test_it_does_not_where_something_is_still_to_come(self, tap: Tap) -> None:
        recording = Recording([tap], differentiate=False, stop=True)
        with torch.no_grad(), recording.hooked(model := seeded(Plain)):
            assert call(model, images()).shape == (2, 3)


NESTS = {
    "tuple": (lambda a, b: (a, b), lambda nest: nest, (0,), (1,)),
    "list": (lambda a, b: [a, b], lambda nest: nest, (0,), (1,)),
    "dict": (lambda a, b: {"a": a, "b": b}, lambda nest: (nest["a"], nest["b"]), ("a",), ("b",)),
    "named tuple": (Pair, lambda nest: (nest.left, nest.right), (0,), (1,)),
    "deep": (lambda a, b: {"x": (0, [a, b])}, lambda nest: nest["x"][1], ("x", 1, 0), ("x", 1, 1)),
}


@pytest.mark.parametrize("kind", NESTS)
class TestNests:
    def test_an_index_leads_to_its_tensor_and_the_nest_stays_what_it_was(self, kind: str) -> None:
        pack, take, left, right = NESTS[kind]
        model, x = seeded(lambda: Nested(pack, take)), images()
        taps = Tap("block", left), Tap("block", right), Tap("block.left"), Tap("block.right")
        with untouched(model, x):
            points = points_of(record(model, x, *taps))
        assert torch.equal(points[taps[0]], points[taps[2]])
        assert torch.equal(points[taps[1]], points[taps[3]])

    def test_without_an_index_it_may_be_any_of_them_in_their_order(self, kind: str) -> None:
        pack, take, left, right = NESTS[kind]
        model, x = seeded(lambda: Nested(pack, take)), images()
        points = record(model, x, Tap("block"), Tap("block.left"), Tap("block.right")).recorded().points
        assert [point.path for point in points[Tap("block")]] == [left, right]
        for point, side in zip(points[Tap("block")], ("left", "right"), strict=True):
            assert torch.equal(point.tensor, points[Tap(f"block.{side}")][0].tensor)

    def test_an_index_to_nowhere_names_what_there_is(self, kind: str) -> None:
        pack, take, left, right = NESTS[kind]
        model, x = seeded(lambda: Nested(pack, take)), images()
        offered = ", ".join("".join(f"[{step}]" for step in path) for path in (left, right))
        with pytest.raises(TapError) as caught, untouched(model, x):
            record(model, x, Tap("block", (7,)))
        assert str(caught.value) == f"layer block[7]: returned nothing at [7]; it returned {offered}"


class TestFaults:
    def test_a_module_called_twice_is_named(self) -> None:
        model, x = seeded(Twice), images()
        with (
            untouched(model, x),
            pytest.raises(TapError, match=r"layer conv2 ran 2 times in one forward: expected once"),
        ):
            record(model, x, Tap("conv1"), Tap("conv2")).recorded()

    def test_a_module_that_never_ran_is_named(self) -> None:
        model, x = seeded(Unused), images()
        with untouched(model, x), pytest.raises(TapError, match=r"layer conv2 never ran in this forward"):
            record(model, x, Tap("conv1"), Tap("conv2")).recorded()

    @pytest.mark.parametrize("differentiate", [True, False])
    def test_a_change_through_an_alias_is_noticed(self, differentiate: bool) -> None:
        model, x = seeded(Aliased), images()
        message = r"layer conv1: what it returned was changed in place through an alias; .* or 'conv1\+'"
        with untouched(model, x), pytest.raises(TapError, match=message):
            record(model, x, Tap("conv1"), differentiate=differentiate).recorded()

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_hooks_and_modes_are_gone_when_the_model_raises(self, error: type[BaseException]) -> None:
        model, x = seeded(lambda: Raising(error)), images()
        with pytest.raises(error, match="on the way"), untouched(model, x):
            record(model, x, Tap("conv1"))

    def test_a_hook_that_cannot_be_set_leaves_none_of_the_others(self) -> None:
        model, x = seeded(Plain), images()
        with pytest.raises(AttributeError, match="gone"), untouched(model, x):
            record(model, x, Tap("conv1"), Tap("gone"))

    def test_watching_a_model_with_a_scripted_part_leaves_no_hooks(self) -> None:
        class Scripted(nn.Linear):
            def register_forward_hook(self, *args: Any, **kwargs: Any) -> Any:
                raise RuntimeError("register_forward_hook is not supported on ScriptModules")

        model = seeded(Plain)
        model.head = Scripted(4, 3)
        with pytest.raises(RuntimeError, match="not supported on ScriptModules"), untouched(model):
            survey.shapes(model, images())


class TestDetachedWeights:
    def test_the_work_sees_weights_without_gradient_of_the_same_values(self) -> None:
        model, x = seeded(Plain), images()

        def work() -> Tensor:
            assert not any(value.requires_grad for value in model.parameters())
            return model(x)

        with untouched(model, x):
            assert torch.equal(weights.on_detached_weights(model, work), model(x).detach())

    def test_weights_are_in_their_place_again_when_the_work_raises(self) -> None:
        def work() -> None:
            raise KeyboardInterrupt

        model = seeded(Plain)
        with pytest.raises(KeyboardInterrupt), untouched(model):
            weights.on_detached_weights(model, work)

    def test_shared_weights_stay_shared(self) -> None:
        model = seeded(Plain)
        model.act2 = nn.Conv2d(4, 4, 3, padding=1)
        model.act2.weight = model.conv2.weight
        with untouched(model):
            assert weights.on_detached_weights(model, lambda: model.act2.weight is model.conv2.weight)

    def test_weights_made_in_inference_mode_are_recognised(self) -> None:
        with torch.inference_mode():
            made = Plain()
        assert weights.has_inference_weights(made)
        assert not weights.has_inference_weights(Plain())


def test_shapes_come_in_the_order_of_completion_and_leave_the_model_alone() -> None:
    model, x = (
        seeded(lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.Flatten()))).train(),
        images(),
    )
    with torch.inference_mode(), untouched(model, x):
        shapes = survey.shapes(model, x)
    assert shapes == [
        ("0", "Conv2d", (2, 4, 6, 5)),
        ("1.0", "BatchNorm2d", (2, 4, 6, 5)),
        ("1.1", "Flatten", (2, 120)),
        ("1", "Sequential", (2, 120)),
    ]


# --- one place

CORE = Path(evidence.__file__).parents[1]
HOOKING = re.compile(r"\bregister_\w*hook\b")
ON_NODES = ("_numeric.py", str(Path("backward", "gradients.py")))
"""Hook nodes of a graph, which go with it."""


def hooking() -> list[str]:
    """The files of the core that hook a module; the kit, which checks the core without its help, left out."""
    files = [path for path in CORE.rglob("*.py") if "testing" not in path.relative_to(CORE).parts]
    return sorted(str(path.relative_to(CORE)) for path in files if HOOKING.search(path.read_text(encoding="utf-8")))


def test_modules_are_hooked_in_one_place() -> None:
    assert hooking() == sorted([*ON_NODES, str(Path("evidence", "hooks.py"))])
    for file in ON_NODES:
        assert re.findall(r"(\w+)\.register_\w+", (CORE / file).read_text(encoding="utf-8")) == ["node"]


@pytest.mark.parametrize(
    "name",
    [
        *("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"),
        *("register_full_backward_pre_hook", "register_module_forward_hook", "register_hook"),
    ],
)
def test_a_hook_elsewhere_would_be_seen(name: str) -> None:
    assert HOOKING.search(f"module.{name}(hook)")


class TestBystanders:
    """A hook acts in the block that set it, on the module that it was set on."""

    def record_beside(self, work: Callable[[nn.Module, Tensor], Any]) -> tuple[Any, int]:
        """What ``work`` returns in the middle of a pass, and how often the tap fired."""
        model, x = seeded(Plain), images()
        recording, returned, begun = Recording([Tap("conv1")], differentiate=True), [], []

        def middle(module: nn.Module, args: Any) -> None:
            if not begun:
                begun.append(module)
                returned.append(work(model, x))

        model.act1.register_forward_pre_hook(middle)
        with torch.no_grad(), recording.hooked(model):
            call(model, x)
        (point,) = recording.recorded().points[Tap("conv1")]
        return returned[0], point.turn

    def test_another_thread_is_no_part_of_a_pass(self) -> None:
        def predict(model: nn.Module, x: Tensor) -> Tensor:
            with torch.no_grad():
                return model(x)

        def in_a_thread(model: nn.Module, x: Tensor) -> Tensor:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(predict, model, x).result()

        output, turn = self.record_beside(in_a_thread)
        assert turn == 1
        assert not output.requires_grad
        assert torch.equal(output, predict(seeded(Plain), images()))

    @pytest.mark.parametrize(
        "copied",
        [copy.deepcopy, copy.copy, lambda conv: pickle.loads(pickle.dumps(conv))],
        ids=["deep", "flat", "pickled"],
    )
    def test_a_copy_is_no_part_of_a_pass(self, copied: Callable[[nn.Module], nn.Module]) -> None:
        def predict(model: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
            conv = copied(model.conv1)
            with torch.inference_mode():
                return conv, conv(x)

        (conv, output), turn = self.record_beside(predict)
        assert turn == 1
        assert torch.equal(output, seeded(Plain).conv1(images()))
        assert not output.requires_grad
        assert conv(images()).requires_grad

    def test_a_deep_copy_loses_its_hooks_when_it_is_called(self) -> None:
        def deep(model: nn.Module, x: Tensor) -> nn.Module:
            conv = copy.deepcopy(model.conv1)
            pickle.loads(pickle.dumps(conv))
            conv(x)
            return conv

        conv, _ = self.record_beside(deep)
        assert not conv._forward_hooks

    def test_what_is_pickled_in_a_pass_needs_no_xaikit(self) -> None:
        pickled, _ = self.record_beside(lambda model, x: pickle.dumps(model.conv1))
        assert b"xaikit" not in pickled
