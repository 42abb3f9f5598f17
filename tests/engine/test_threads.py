"""Threads that explain and threads that predict, on one model and on several: maps and predictions to the bit."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers import unusual_nets
from helpers.hard_nets import Inference, NoGrad, Plain, Stochastic, images, seeded
from helpers.untouched import untouched
from xaikit.testing import bystanders

NETS: dict[str, tuple[Callable[[], nn.Module], str, Callable[[], Tensor]]] = {
    "plain": (Plain, "conv2", images),
    "in place": (lambda: Plain(inplace=True), "conv1", images),
    "normalization and dropout": (Stochastic, "norm", images),
    "no_grad forward": (NoGrad, "conv2", images),
    "inference_mode forward": (Inference, "conv2", images),
    "scaled_dot_product_attention": (unusual_nets.Attending, "block", lambda: images(2, 2, 8, 12)),
    "MultiheadAttention": (unusual_nets.MultiHeaded, "block", lambda: images(2, 2, 8, 12)),
    "checkpointed": (unusual_nets.Checkpointed, "block.0", images),
}
METHODS: dict[str, Any] = {name: name for name in ("gradcam", "eigencam", "ablationcam", "scorecam", "shapleycam")} | {
    "smoothgradcampp": {"use": "smoothgradcampp", "n": 2}
}


def explain(model: nn.Module, x: Tensor, layer: str) -> dict[str, Tensor]:
    explanations = xaikit.explain(model, x, METHODS, layers=layer, target=1)
    return {label: explanation.maps[layer] for label, explanation in explanations.items()}


def predict(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[label], other[label]) for label in METHODS)


@pytest.mark.parametrize("name", NETS)
def test_in_the_middle_of_a_pass_others_predict_as_ever(name: str) -> None:
    build, layer, inputs = NETS[name]
    model = seeded(build)
    for label, method in METHODS.items():
        with untouched(model), bystanders(model, "head", inputs()):
            xaikit.explain(model, inputs(), {label: method}, layers=layer, target=1)


def test_threads_explain_and_predict_on_one_model_and_on_several() -> None:
    nets = [(seeded(build), layer, inputs()) for build, layer, inputs in list(NETS.values())[:4]]
    expected = [(explain(*net[::2], net[1]), predict(*net[::2])) for net in nets]
    wrong: list[str] = []

    def work(turn: int) -> None:
        for step in range(4):
            place = (turn // 2 + step) % len(nets) if turn < 4 else 0
            model, layer, x = nets[place]
            if turn % 2:
                wrong.extend([] if same(explain(model, x, layer), expected[place][0]) else ["map"])
            else:
                for _ in range(5):
                    output = predict(model, x)
                    right = torch.equal(output, expected[place][1]) and not output.requires_grad
                    wrong.extend([] if right else ["prediction"])

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(work, turn) for turn in range(6)]:
            future.result()
    assert not wrong
    for model, _, x in nets:
        with untouched(model, x):
            predict(model, x)
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_threads_that_explain_a_model_in_training_leave_it_so() -> None:
    model = seeded(Stochastic).train()
    x = images()
    expected = explain(model, x, "norm")
    with untouched(model, x), ThreadPoolExecutor(3) as pool:
        maps = list(pool.map(lambda _: explain(model, x, "norm"), range(6)))
    assert all(same(one, expected) for one in maps)


def test_models_that_share_a_backbone() -> None:
    backbone = seeded(Stochastic).train()
    models = [nn.Sequential(backbone, head) for head in (nn.Linear(3, 2).double(), nn.Linear(3, 2).double())]
    x = images()
    expected = [explain(model, x, "0.norm") for model in models]
    with untouched(models[0], x), untouched(models[1]), ThreadPoolExecutor(4) as pool:
        maps = list(pool.map(lambda turn: explain(models[turn % 2], x, "0.norm"), range(8)))
    assert all(same(one, expected[turn % 2]) for turn, one in enumerate(maps))


def test_a_server_of_asyncio() -> None:
    model, x = seeded(Plain), images()
    expected, output = explain(model, x, "conv2"), predict(model, x)

    async def explained(in_a_thread: bool) -> bool:
        await asyncio.sleep(0)
        maps = await asyncio.to_thread(explain, model, x, "conv2") if in_a_thread else explain(model, x, "conv2")
        return same(maps, expected)

    async def predicted() -> bool:
        await asyncio.sleep(0)
        here, there = predict(model, x), await asyncio.to_thread(predict, model, x)
        return torch.equal(here, output) and torch.equal(there, output)

    async def serve() -> list[bool]:
        work = [explained(True), explained(False), *(predicted() for _ in range(8)), explained(True)]
        return await asyncio.wait_for(asyncio.gather(*work), 60)

    with untouched(model, x):
        assert all(asyncio.run(serve()))


class Teaching(Plain):
    """Copies itself on its first forward, and asks the copy ever after."""

    def __init__(self, inference: bool) -> None:
        super().__init__()
        self.inference = inference
        self.teachers: list[nn.Module] = []

    def forward(self, x: Tensor) -> Tensor:
        if not self.teachers:
            self.teachers.append(copy.deepcopy(nn.Sequential(self.conv1, self.act1, self.conv2, self.act2)))
        with torch.inference_mode(self.inference), torch.no_grad():
            taught = self.teachers[0](x)
        return super().forward(x) + 0 * taught.mean()


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_copies_itself_in_its_forward(method: str, inference: bool) -> None:
    model, x = seeded(lambda: Teaching(inference)), images()
    expected = xaikit.explain(seeded(Plain), x, {"a": METHODS[method]}, layers="conv2", target=1)["a"]
    with untouched(nn.Identity(), x):
        explanation = xaikit.explain(model, x, {"a": METHODS[method]}, layers="conv2", target=1)["a"]
    assert torch.equal(explanation.maps["conv2"], expected.maps["conv2"])
    (teacher,) = model.teachers
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in teacher.modules())
    assert torch.equal(predict(teacher, x), predict(seeded(Plain).features, x))
