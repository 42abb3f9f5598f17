"""What is exported says what xaikit says, with neither it nor autograd; what cannot be exported is refused with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import timm
import torch
import torchvision
from click.testing import CliRunner
from torch import Tensor, nn

import xaikit
from helpers.untouched import untouched
from xaikit import ConfigError, Registry
from xaikit.cli.commands import commands
from xaikit.exports.formats import difference


class Net(nn.Module):
    """Of two stages, with what has a backward that ONNX does not know: strides, groups, normalization, pooling, a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.late = nn.Sequential(nn.Conv2d(6, 8, 3, 2, groups=2), nn.SiLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 1))
        self.head = nn.Linear(8, 4)

    def forward(self, picture: Tensor) -> Tensor:
        logits: Tensor = self.head(self.late(self.early(picture)).mean((2, 3)))
        return logits


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(6, 3)

    def forward(self, picture: Tensor, age: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.cat([self.conv(picture).mean((2, 3)), age], 1))
        return logits


def pictures(count: int = 1, size: int = 32) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(3))


def plain(*methods: str, layers: Any = ("early", "late"), **more: Any) -> dict[str, Any]:
    return {"methods": dict.fromkeys(methods), "layers": layers, **more}


def run_onnx(path: Path, **inputs: Tensor) -> dict[str, Tensor]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    arrays = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    return dict(zip((each.name for each in session.get_outputs()), map(torch.from_numpy, arrays), strict=True))


def assert_same(returned: dict[str, Tensor], explained: dict[str, xaikit.Explanation]) -> None:
    for label, each in explained.items():
        torch.testing.assert_close(returned[label], each.map, rtol=0, atol=1e-5)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


NETS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": torchvision.models.resnet18,
    "mobilenet_v2": torchvision.models.mobilenet_v2,
    "efficientnet_b0": torchvision.models.efficientnet_b0,
    "convnext_tiny": torchvision.models.convnext_tiny,
    "timm": lambda: timm.create_model("resnet10t"),
}


@pytest.mark.parametrize("name", NETS)
def test_a_file_of_onnx_says_what_xaikit_says_of_any_number_of_samples(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = NETS[name]().eval()
    config = plain("gradcam", "lafam", layers="auto")
    file = xaikit.export(config, tmp_path / "net.onnx", model=net, data=list(pictures(1, 64)))
    assert file.samples is None
    assert file.difference is not None
    assert file.difference < 1e-5
    batch = pictures(2, 64)
    returned = run_onnx(file.path, input=batch)
    torch.testing.assert_close(returned["logits"], net(batch).detach(), rtol=1e-4, atol=1e-5)
    assert_same(returned, xaikit.explain(net, batch, ["gradcam", "lafam"]))


def test_a_classifier_of_true_weights_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "lite0.onnx"
    overrides = ["data.transform={size: 64, crop: 64}", "finish.resize=none"]
    ran = CliRunner().invoke(commands, ["export", "configs/quickstart.yaml", *overrides, "--to", str(path)])
    assert ran.exit_code == 0, ran.output
    assert "input (N, 3, 64, 64) -> logits (N, 1000), gradcam (N, 2, 2), gradcampp (N, 2, 2)" in ran.output
    within = re.search(r"within (\S+) of xaikit's own", ran.output)
    assert within is not None
    assert float(within[1]) < 1e-5
    assert run_onnx(path, input=torch.zeros(2, 3, 64, 64))["layercam"].shape == (2, 2, 2)


def exportable() -> list[str]:
    """Every method of one pass that draws nothing, whichever layer it reads."""
    classes = {name: Registry().find("method", name).cls for name in Registry().names("method")}
    asks = ("reruns", "replays", "attention", "biases", "module", "head", "backward")
    return [
        name
        for name, each in classes.items()
        if not any(getattr(each.needs, need) for need in asks)
        and each.needs.gradients < 2
        and "deterministic" in each.traits
        and not getattr(each, "parts", 0)
    ]


def test_all_methods_of_one_pass_at_any_layer(net: Net, tmp_path: Path) -> None:
    methods = exportable()
    assert {"gradcam", "gradcampp", "layercam", "eigencam", "gradient"} <= set(methods)
    file = xaikit.export(plain(*methods), tmp_path / "net.pt2", model=net, data=list(pictures()))
    assert file.samples is None
    batch = pictures(3)
    returned = torch.export.load(file.path).module()(batch)
    assert_same(returned, xaikit.explain(net, batch, methods, layers=["early", "late"]))


def test_a_backward_through_strides_groups_and_gates_in_onnx(net: Net, tmp_path: Path) -> None:
    target = {"use": "classes", "of": [2, 0]}
    config = plain("gradcampp", "layercam", "inputxgradient", target=target)
    file = xaikit.export(config, tmp_path / "net.onnx", model=net, data=list(pictures()))
    assert file.outputs["layercam"] == (2, 32, 32)
    batch = pictures(4)
    own = xaikit.explain(net, batch, list(config["methods"]), layers=["early", "late"], target=target)
    assert_same(run_onnx(file.path, input=batch), own)


def test_maps_that_nothing_fuses_have_their_layers_in_their_names(net: Net, tmp_path: Path) -> None:
    config = plain("gradcam", finish={"fuse": "none", "resize": "none"})
    file = xaikit.export(config, tmp_path / "net.pt2", model=net, data=list(pictures()))
    assert file.outputs == {"logits": (4,), "gradcam.early": (16, 16), "gradcam.late": (3, 3)}
    assert str(file) == (
        f"{file.path}: input (N, 3, 32, 32) -> logits (N, 4), gradcam.early (N, 16, 16), gradcam.late (N, 3, 3); "
        f"within {file.difference:.1g} of xaikit's own"
    )


def test_several_inputs_go_by_their_names(tmp_path: Path) -> None:
    net = TwoInputs()
    data = [{"picture": pictures()[0], "age": torch.rand(2)}]
    file = xaikit.export(plain("gradcam", layers="conv"), tmp_path / "net.onnx", model=net, data=data)
    assert file.inputs == {"picture": (3, 32, 32), "age": (2,)}
    batch = {"picture": pictures(2), "age": torch.rand(2, 2)}
    assert_same(run_onnx(file.path, **batch), xaikit.explain(net, batch, layers="conv"))


def test_the_model_is_left_as_it_was_and_what_is_no_number_stays_none(net: Net, tmp_path: Path) -> None:
    net.train()
    with untouched(net):
        file = xaikit.export(plain("gradcam"), tmp_path / "net.pt2", model=net, data=list(pictures()))
    batch = pictures(2)
    batch[1, 0, 3, 3] = torch.nan
    saliency = torch.export.load(file.path).module()(batch)["gradcam"]
    assert saliency[0].isfinite().all()
    assert saliency[1].isnan().all()


class Caching(nn.Module):
    """Keeps a term for the last shape, and what it computed last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)
        self.places: Tensor | None = None
        self.kept: dict[int, Tensor] = {}

    def forward(self, picture: Tensor) -> Tensor:
        features = self.conv(picture)
        if self.places is None or self.places.shape != features.shape:
            self.places = torch.linspace(-1, 1, features.shape[-1]).expand(features.shape)
        self.last = self.kept[0] = features
        logits: Tensor = self.head(torch.relu(features + self.places).mean((2, 3)))
        return logits


@pytest.mark.parametrize("method", ["gradcam", "randomcam"])
def test_what_a_forward_keeps_on_the_model_is_no_fake_afterwards(method: str, tmp_path: Path) -> None:
    net = Caching()
    if method == "gradcam":
        xaikit.export(plain(method, layers="conv"), tmp_path / "net.pt2", model=net, data=list(pictures()))
    else:
        with pytest.raises(ConfigError):
            xaikit.export(plain(method, layers="conv"), tmp_path / "net.pt2", model=net, data=list(pictures()))
    assert {type(each) for each in (net.places, net.last, net.kept[0], net(pictures(5)))} == {Tensor}


def test_a_target_on_a_layer_beside_one_on_the_output(net: Net, tmp_path: Path) -> None:
    methods = {
        "unit": {"use": "gradcam", "target": {"use": "channel", "layer": "late", "channel": 1}},
        "class": "gradcam",
    }
    config = {"methods": methods, "layers": "early"}
    file = xaikit.export(config, tmp_path / "net.pt2", model=net, data=list(pictures()))
    assert file.outputs == {"logits": (4,), "unit": (32, 32), "class": (32, 32)}


def test_a_label_does_not_take_the_name_of_the_logits(net: Net, tmp_path: Path) -> None:
    config = {"methods": {"logits": {"use": "gradcam"}}, "layers": "late"}
    with pytest.raises(ConfigError, match="labels unlike the names of inputs and logits, got logits"):
        xaikit.export(config, tmp_path / "net.pt2", model=net, data=list(pictures()))


def test_batch_normalization_in_training_is_refused(net: Net, tmp_path: Path) -> None:
    config = plain("gradcam", model={"mode": "as_is"})
    with pytest.raises(ConfigError, match="expected a model that evaluates"):
        xaikit.export(config, tmp_path / "net.pt2", model=net.train(), data=list(pictures()))


def test_a_difference_is_a_share_of_the_map_however_small() -> None:
    with pytest.raises(ConfigError, match="got 1e"):
        difference({"m": torch.zeros(3)}, {"m": torch.full((3,), 9e-5)})


REFUSED = {
    "further inputs or activations": plain("scorecam"),
    "further passes with gradients": plain("shapleycam"),
    "reads all layers at once": plain("fullgrad"),
    "rules of its own": plain("libragrad"),
    "draws no random numbers": plain("randomcam"),
    "variants": plain("gradcam", augment={"flip": True}),
    "nobody states": plain("gradcam", target="label"),
    "expected a configuration of one model": plain("gradcam", sweep={"model.mode": ["eval", "as_is"]}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_plain_forward_is_refused(reason: str, net: Net, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason):
        xaikit.export(REFUSED[reason], tmp_path / "net.pt2", model=net, data=[(pictures()[0], 1)])
    assert not list(tmp_path.iterdir())


def test_what_onnx_lacks_is_named(net: Net, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"does not have every operation of these maps: aten\._linalg_eigh; write a \.pt2"
    ):
        xaikit.export(plain("eigencam"), tmp_path / "net.onnx", model=net, data=list(pictures()))
    assert not list(tmp_path.iterdir())


def test_another_ending_is_refused(net: Net, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in \.onnx or \.pt2, got 'net\.pt'"):
        xaikit.export(plain("gradcam"), "net.pt", model=net, data=list(pictures()))


class Deciding(nn.Module):
    """Decides by a value what to compute."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, picture: Tensor) -> Tensor:
        features = self.conv(picture)
        logits: Tensor = features.mean((2, 3)) * (2 if features.sum() > 0 else 1)
        return logits


def test_a_model_that_decides_by_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not depend on the values"):
        xaikit.export(plain("gradcam", layers="conv"), tmp_path / "net.pt2", model=Deciding(), data=list(pictures()))


class FixedBatch(nn.Module):
    """Has its number of samples in its code."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, picture: Tensor) -> Tensor:
        features: Tensor = self.conv(picture)
        return features.reshape(len(picture), 4, 900).mean(2)


def test_a_model_with_its_number_of_samples_in_it_has_a_file_of_that_many(tmp_path: Path) -> None:
    data = list(pictures())
    file = xaikit.export(plain("gradcam", layers="conv"), tmp_path / "net.pt2", model=FixedBatch(), data=data)
    assert file.samples == 1
    assert "input (1, 3, 32, 32)" in str(file)
