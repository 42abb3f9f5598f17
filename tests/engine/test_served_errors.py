"""What cannot be served says so by name and says what to do instead; the model is as before."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel

import xaikit
from helpers import unusual_nets
from helpers.hard_nets import Beside, Nested, Plain, Twice, Unused, images, seeded
from helpers.served_models import compiled, same
from helpers.untouched import untouched
from xaikit import ConfigError, Disconnected, TapError

TORCH_WARNS = pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")


def refused(model: nn.Module, error: type[Exception], match: str, *args: Any, **options: Any) -> None:
    inputs = images()
    with pytest.raises(error, match=match), untouched(model, inputs):
        xaikit.explain(model, inputs, *args, **{"layers": "conv2", "target": [2, 0]} | options)


def scripted(model: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(model)


def traced(model: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(model, images())


def exported(model: nn.Module) -> torch.export.ExportedProgram:
    return torch.export.export(model, (images(),))


def with_scripted_head(model: nn.Module) -> nn.Module:
    model.head = scripted(model.head)
    return model


class TestNoPythonModules:
    """Hooks do not run in these: nothing can be tapped."""

    @pytest.mark.parametrize(
        ("made", "match"),
        [
            (scripted, "it is scripted or traced, where hooks do not run; explain the model that it was made from"),
            (traced, "it is scripted or traced"),
            (with_scripted_head, "the submodule head is scripted or traced"),
            (lambda model: DataParallel(with_scripted_head(model)), "the submodule head is scripted or traced"),
        ],
    )
    @pytest.mark.parametrize("layers", ["conv2", "auto"])
    def test_a_scripted_model(self, made: Callable[[nn.Module], Any], match: str, layers: str) -> None:
        with pytest.raises(TapError, match=match):
            xaikit.explain(made(seeded(Plain)), images(), layers=layers)

    @pytest.mark.parametrize("layers", ["conv2", "auto"])
    def test_an_exported_program(self, layers: str) -> None:
        message = (
            "expected a torch.nn.Module, got ExportedProgram; of an exported program, explain the module that it was"
        )
        with pytest.raises(TapError, match=message):
            xaikit.explain(exported(seeded(Plain)), images(), layers=layers)

    @pytest.mark.parametrize("layers", ["conv2", "auto"])
    def test_the_module_of_an_exported_program(self, layers: str) -> None:
        refused(exported(seeded(Plain)).module(), TapError, "exported", layers=layers)


@pytest.mark.parametrize("layers", ["conv2", "auto"])
def test_the_meta_device(layers: str) -> None:
    half = seeded(Plain)
    half.head = half.head.to("meta")
    whole = copy.deepcopy(half).to("meta")
    for model, name in ((whole, "conv1.weight"), (half, "head.weight")):
        with pytest.raises(TapError, match=f"model: {name} is on the meta device and has no values: load the weights"):
            xaikit.explain(model, images(), layers=layers)


@pytest.mark.parametrize("wrapped", [same, DataParallel, compiled])
@pytest.mark.parametrize("method", ["gradcam", "smoothgradcampp", "ablationcam", "scorecam", "eigencam"])
class TestTaps:
    def test_called_twice(self, method: str, wrapped: Callable[[nn.Module], Any]) -> None:
        message = (
            "layer conv2 ran 2 times in one forward: expected once; .* 'conv2@first', 'conv2@last' or one by number"
        )
        refused(wrapped(seeded(Twice)), TapError, message, method)

    def test_never_called(self, method: str, wrapped: Callable[[nn.Module], Any]) -> None:
        refused(wrapped(seeded(Unused)), TapError, "layer conv2 never ran in this forward", method)


@pytest.mark.parametrize("method", ["gradcam", "smoothgradcampp", "hirescam"])
class TestDisconnected:
    def test_a_layer_beside_the_way(self, method: str) -> None:
        refused(seeded(Beside), Disconnected, r"the score \(class .*\) does not depend on layer conv2", method)

    @pytest.mark.parametrize("life", [True, False])
    def test_a_score_that_depends_on_nothing(self, method: str, life: bool) -> None:
        model = seeded(Plain).requires_grad_(life)
        refused(model, Disconnected, "layer conv2", method, target=lambda output: torch.ones(len(output)).double())

    @TORCH_WARNS
    @pytest.mark.parametrize("life", [True, False])
    @pytest.mark.parametrize("layers", ["conv1", "block.0", "block", ["conv1", "conv3"]])
    def test_a_reentrant_checkpoint(self, method: str, layers: Any, life: bool) -> None:
        name = layers if isinstance(layers, str) else layers[0]
        model = seeded(unusual_nets.Reentrant).requires_grad_(life)
        refused(model, Disconnected, rf"{name}\b.*use_reentrant=False", method, layers=layers)


@TORCH_WARNS
def test_behind_a_reentrant_checkpoint_all_is_well() -> None:
    model, x = seeded(unusual_nets.Reentrant), images()
    with untouched(model, x):
        explanation = xaikit.explain(model, x, layers="conv3", target=[2, 0])["gradcam"]
    expected = xaikit.explain(seeded(unusual_nets.Three), x, layers="conv3", target=[2, 0])["gradcam"]
    assert bool(expected.map.any())
    assert torch.equal(explanation.map, expected.map)


def inside(pack: Callable[[Tensor, Tensor], Any], take: Callable[[Any], Any] = same) -> nn.Module:
    return seeded(lambda: Nested(pack, take))


@pytest.mark.parametrize(
    ("model", "layer", "match"),
    [
        (
            inside(lambda a, b: (a, b)),
            "block[5]",
            r"layer block\[5\]: returned nothing at \[5\]; it returned \[0\], \[1\]",
        ),
        (inside(lambda a, b: [a, b]), "block[x]", r"layer block\[x\]: returned nothing at \[x\]"),
        (
            inside(unusual_nets.Result, lambda r: (r.logits, r.features)),
            "block",
            "layer block: expected a tensor, got Result",
        ),
        (
            inside(unusual_nets.Result, lambda r: (r.logits, r.features)),
            "block[logits]",
            r"block\[logits\].*got Result",
        ),
        (seeded(Plain), "head", r"layer head returned \(2, 3\) for inputs \(2, 2, 8, 7\): expected a map"),
    ],
)
@pytest.mark.parametrize("method", ["gradcam", "ablationcam", "eigencam"])
def test_a_tap_without_a_tensor_or_a_map(method: str, model: nn.Module, layer: str, match: str) -> None:
    refused(model, TapError, match, method, layers=layer)


PACKS: dict[str, tuple[Callable[[Tensor, Tensor], Any], Any, str]] = {
    "no such key": (lambda a, b: {"out": a}, "otu", "^output: no key 'otu'; did you mean 'out'"),
    "no such attribute": (
        unusual_nets.OtherResult,
        "clases",
        "^output: expected an output with 'clases', got OtherResult",
    ),
    "no such index": (lambda a, b: (a, b), 2, "^output: expected an index below 2, got 2"),
    "no such key of a model output": (
        lambda a, b: unusual_nets.ModelOutput(out=a),
        "otu",
        "^output: no key 'otu'; did you mean 'out'",
    ),
    "no tensor for an index": (lambda a, b: a, 0, r"expected a tuple or list to take \[0\] of, got Tensor"),
    "no default in a dict": (
        lambda a, b: {"out": a, "map": b},
        "auto",
        r"got dict with out \(2, 3\), map \(2, 4, 8, 7\); choose a part of the output with output=, ",
    ),
    "no default in a dataclass": (
        unusual_nets.OtherResult,
        "auto",
        r"got OtherResult with classes \(2, 3\), features .*; choose",
    ),
    "no default in a model output": (
        lambda a, b: unusual_nets.ModelOutput(out=a, map=b),
        "auto",
        r"got ModelOutput with out \(2, 3\), map",
    ),
    "a map as the first of a tuple": (lambda a, b: (b, a), "auto", r"got tuple with 0 \(2, 4, 8, 7\), 1 \(2, 3\)"),
    "features before logits": (lambda a, b: (b.mean((2, 3)), a), "auto", r"got tuple with 0 \(2, 4\), 1 \(2, 3\)"),
    "two heads": (lambda a, b: [a, a], "auto", r"got list with 0 \(2, 3\), 1 \(2, 3\)"),
    "heads in a tuple": (lambda a, b: ((a, a), a), "auto", r"got tuple with 0\.0 \(2, 3\), 0\.1 \(2, 3\), 1 \(2, 3\)"),
    "an axis too many": (lambda a, b: a[:, None], "auto", r"got a tensor of shape \(2, 1, 3\)"),
    "an axis too few": (lambda a, b: a[0], "auto", r"got a tensor of shape \(3,\)"),
    "classes": (lambda a, b: a.argmax(1, keepdim=True), "auto", "and type torch.int64, which has no gradient"),
    "an array": (lambda a, b: a.detach().numpy(), "auto", "got ndarray, which has no gradient: return a tensor"),
}


@pytest.mark.parametrize("kind", PACKS)
def test_an_output_that_cannot_be_chosen(kind: str) -> None:
    pack, output, match = PACKS[kind]
    refused(seeded(lambda: unusual_nets.Packed(pack)), ConfigError, match, output=output)


@pytest.mark.parametrize("pack", [lambda a, b: torch.cat([a, a]), lambda a, b: a[:1], lambda a, b: a.T])
def test_an_output_whose_rows_are_no_samples(pack: Callable[[Tensor, Tensor], Any]) -> None:
    model = seeded(lambda: unusual_nets.Packed(pack))
    refused(model, ConfigError, "target class 0: expected the scores of 2 samples, .* got [143]; choose", target=0)


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        (7, r"expected a class index in 0 \.\.\. 2, got 7"),
        ([0, 3], r"expected a class index in 0 \.\.\. 2, got 3"),
        ([1], "expected 2 class indices, one a sample, got 1"),
        (lambda output: output.sum(), r"expected scores of shape \(N,\) or \(N, T\), got \(\)"),
        (lambda output: output[:1, 0], "expected scores of 2 samples, got 1"),
        (lambda output: 3.0, r"expected scores of shape \(N,\) or \(N, T\), got float"),
    ],
)
@pytest.mark.parametrize("method", ["gradcam", "smoothgradcampp", "ablationcam", "scorecam"])
def test_a_bad_target(method: str, wanted: Any, match: str) -> None:
    refused(seeded(Plain).train(), ConfigError, match, method, target=wanted)
