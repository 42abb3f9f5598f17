"""Models that have no gradient, no weights, or no single call: explained, or refused with what to do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization import QConfigMapping, get_default_qconfig, quantize_dynamic
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from torch.utils.checkpoint import checkpoint

import xaikit
from helpers.hard_nets import images, seeded
from xaikit import Disconnected, LayerNotFound, TapError

X = images(2, 2, 8, 8, dtype=torch.float32)


def sequential() -> nn.Module:
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def net() -> nn.Module:
    return seeded(sequential, torch.float32)


@pytest.mark.filterwarnings("ignore")
def dynamic() -> nn.Module:
    return quantize_dynamic(net(), {nn.Linear}, dtype=torch.qint8)


def static() -> nn.Module:
    engine = torch.backends.quantized.engine
    prepared = prepare_fx(net(), QConfigMapping().set_global(get_default_qconfig(engine)), (X,))
    prepared(X)
    return convert_fx(prepared)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model", "method", "layers", "error"),
    [
        (dynamic, "gradcam", "3", Disconnected),
        (dynamic, "gradcam", "auto", LayerNotFound),
        (dynamic, "fullgrad", "3", Disconnected),
        (static, "gradcam", "2", TapError),
        (static, "eigencam", "2", TapError),
        (static, "scorecam", "2", TapError),
        (static, "gradcam", "auto", LayerNotFound),
    ],
)
def test_quantized_models_have_no_gradients(model: Any, method: str, layers: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"the model is quantized \(.*explain the model that it was made from"):
        xaikit.explain(model(), X, method, layers=layers)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["eigencam", "scorecam", "ablationcam", "reciprocam"])
def test_what_needs_no_gradient_is_served_of_dynamically_quantized_ones(method: str) -> None:
    explanation = xaikit.explain(dynamic(), X, method, layers="3", target=1)[method]
    if method != "eigencam":  # which stops at its layer
        torch.testing.assert_close(explanation.scores, dynamic()(X)[:, 1])
    assert not any("evaluation mode" in one.reason for one in explanation.warnings)


def test_lazy_modules_are_left_as_they_are() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(TapError, match=r"model: 0.weight has no shape yet.*: run the model once on an input first"):
        xaikit.explain(model, X, layers="1")
    assert isinstance(model[0].weight, nn.UninitializedParameter)


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.patches, self.head = nn.Conv2d(2, 8, 2, 2), nn.Linear(8, 3)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(checkpoint(self.block, tokens, use_reentrant=self.reentrant).mean(1))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("method", ["legrad", "gae", "rollout"])
def test_checkpointed_attention_is_refused_in_words(method: str, reentrant: bool) -> None:
    model = seeded(lambda: Checkpointed(reentrant), torch.float32)
    with pytest.raises(xaikit.XaikitError, match=r"switch that off: model\.gradient_checkpointing_disable|attention"):
        xaikit.explain(model, X, method)


class Hooking(nn.Module):
    """Hooks a tensor of its own in its forward."""

    def __init__(self, guarded: bool) -> None:
        super().__init__()
        self.net, self.guarded = net(), guarded

    def forward(self, x: Tensor) -> Tensor:
        x = self.net[:3](x)
        if x.requires_grad or not self.guarded:
            x.register_hook(lambda gradient: None)
        return self.net[3:](x)


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "ablationcam"])
def test_hooks_on_tensors_are_served_where_they_are_guarded(method: str) -> None:
    with pytest.raises(TapError, match=r"raises where no gradients are recorded.*write `if x\.requires_grad:` before"):
        xaikit.explain(Hooking(False).eval(), X, method, layers="net.3")
    want = xaikit.explain(net(), X, method, layers="3")[method].map
    assert torch.equal(xaikit.explain(Hooking(True).eval(), X, method, layers="net.3")[method].map, want)


class Named(nn.Module):
    """Modules of unusual names, one of which runs three times."""

    def __init__(self) -> None:
        super().__init__()
        names = {"a+b": nn.Conv2d(2, 4, 3), "c@last": nn.ReLU(), "d[0]": nn.Conv2d(4, 4, 3), "e*": nn.ReLU()}
        self.net = nn.ModuleDict(names)
        self.again, self.head = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1)]), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        for module in self.net.values():
            x = module(x)
        for _ in range(3):
            x = self.again[0](x)
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("layer", ["net.a+b", "net.c@last", "net.d[0]", "net.e*", {"name": "net.d[0]"}])
def test_modules_of_any_name_can_be_named(layer: Any) -> None:
    name = layer if isinstance(layer, str) else layer["name"]
    model = seeded(Named, torch.float32)
    by_module = xaikit.explain(model, X, layers=model.net[name.removeprefix("net.")])["gradcam"]
    assert torch.equal(xaikit.explain(model, X, layers=layer)["gradcam"].maps[name], by_module.maps[name])


@pytest.mark.parametrize("method", ["gradcam", "ablationcam", "eigencam"])
def test_any_call_of_a_module_can_be_named(method: str) -> None:
    model = seeded(Named, torch.float32)
    apart = copy.deepcopy(model)
    apart.again = nn.ModuleList([copy.deepcopy(model.again[0]) for _ in range(3)])
    apart.forward = lambda x: apart.head(  # type: ignore[method-assign]
        nn.Sequential(*apart.net.values(), *apart.again)(x).mean((2, 3))
    )
    for call in (1, 2, 3):
        want = xaikit.explain(apart, X, method, layers=f"again.{call - 1}")[method].map
        for layer in (f"again.0@{call}", {"name": "again.0", "call": call}):
            torch.testing.assert_close(xaikit.explain(model, X, method, layers=layer)[method].map, want)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([], LayerNotFound, "layers: expected one at least, got none"),
        (
            "net",
            LayerNotFound,
            r"ModuleDict only holds modules and never runs itself; name one of net.a\+b, net.c@last",
        ),
        ("again", LayerNotFound, "ModuleList only holds modules and never runs itself; name one of again.0"),
        ("again.0", TapError, "'again.0@last' or one by number, 'again.0@2'"),
        ("again.0@4", TapError, "layer again.0@4 ran 3 times in this forward: expected 4 or more"),
        ({"name": "again.0", "call": 0}, xaikit.ConfigError, "got 0; a call may be said by its number too, from 1"),
    ],
)
def test_layers_that_never_run_are_refused(layers: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        xaikit.explain(seeded(Named, torch.float32), X, layers=layers)


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "scorecam"])
def test_a_layer_of_one_place_says_that_its_map_is_uniform(method: str) -> None:
    explanation = xaikit.explain(net(), X, method, layers="4")[method]
    assert sum("one place alone" in one.reason for one in explanation.warnings) == 2
    assert not any("one place" in one.reason for one in xaikit.explain(net(), X, method, layers="3")[method].warnings)


@pytest.mark.parametrize(("dtype", "said"), [(torch.float16, True), (torch.bfloat16, False)])
def test_gradients_that_float16_cannot_hold_are_said_to_be_its(dtype: torch.dtype, said: bool) -> None:
    model = net()
    with torch.no_grad():
        model[6].weight.mul_(1e-7)
    explanation = xaikit.explain(model.to(dtype), X.to(dtype), layers="3", target=1)["gradcam"]
    reasons = {one.reason for one in explanation.warnings}
    assert any("zero gradients in float16" in reason and "bfloat16" in reason for reason in reasons) == said
