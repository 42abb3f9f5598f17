import sys

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from xaikit import ConfigError
from xaikit.sources.imagenet import CLASSES, WNIDS
from xaikit_sources.timm import TimmModel, _transform

SMALL = "mobilenetv3_small_050"


def state_of(name: str, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1234)
        return timm.create_model(name, **options).state_dict()


def equal(module, state) -> bool:
    loaded = module.state_dict()
    return loaded.keys() == state.keys() and all(torch.equal(loaded[name], state[name]) for name in loaded)


@pytest.mark.parametrize(
    "name", ["resnet50", "convnext_tiny", "vit_small_patch16_224", "tf_efficientnet_b3", "deit3_small_patch16_384"]
)
@pytest.mark.parametrize("shape", [(300, 401), (97, 64)])
def test_transform_is_that_of_timm_bit_for_bit(name, shape):
    data = timm.data.resolve_data_config({}, pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    ours, theirs = _transform(data), timm.data.create_transform(**data, is_training=False)
    assert torch.equal(ours.tensor(ours.picture(picture)), theirs(picture))


def test_squashed_pictures():
    data = {"input_size": (3, 64, 48), "crop_mode": "squash", "crop_pct": 1.0, "interpolation": "bilinear"}
    data |= {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8))
    ours, theirs = _transform(data), timm.data.create_transform(**data, is_training=False)
    assert torch.equal(ours.tensor(ours.picture(picture)), theirs(picture))


@pytest.mark.parametrize(
    "other",
    [{"crop_mode": "border"}, {"input_size": (1, 224, 224)}, {"interpolation": "lanczos"}, {"input_size": (3, 64, 48)}],
)
def test_what_a_transform_cannot_say_is_left_to_the_config(other):
    data = timm.data.resolve_data_config({}, pretrained_cfg=timm.get_pretrained_cfg("resnet50").to_dict())
    assert _transform(data) is not None
    assert _transform({**data, **other}) is None


def test_random_weights_come_from_the_seed_alone():
    before = torch.get_rng_state()
    first, second, other = (TimmModel(SMALL, pretrained=False, seed=seed).open() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert equal(first.module, second.module.state_dict())
    assert not equal(first.module, other.module.state_dict())
    assert (first.classes, first.wnids, first.origin) == (CLASSES, WNIDS, "random, seed 0")
    assert not first.module.training


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_file(tmp_path, suffix):
    state, file = state_of(SMALL), tmp_path / f"mine{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    opened = TimmModel(SMALL, weights=str(file)).open()
    assert equal(opened.module, state)
    assert (opened.classes, opened.origin) == (CLASSES, str(file))


def test_a_file_of_another_number_of_classes(tmp_path):
    state = state_of(SMALL, num_classes=5)
    torch.save(state, tmp_path / "mine.pth")
    opened = TimmModel(SMALL, weights=str(tmp_path / "mine.pth")).open()
    assert equal(opened.module, state)
    assert (opened.classes, opened.wnids) == (None, None)
    assert opened.transform is not None


def test_pretrained_weights(monkeypatch):
    options = {}
    create = timm.create_model

    def downloaded(name, pretrained=False, **kwargs):
        options["pretrained"] = pretrained
        return create(name, **kwargs)

    monkeypatch.setattr(timm, "create_model", downloaded)
    opened = TimmModel(SMALL).open()
    assert options == {"pretrained": True}
    assert opened.origin == f"timm timm/{SMALL}.lamb_in1k"


def test_no_network(monkeypatch):
    def fail(*args, **kwargs):
        raise FileNotFoundError("cannot find the requested files in the local cache")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(ConfigError) as caught:
        TimmModel(SMALL).open()
    assert str(caught.value) == (
        f"model timm '{SMALL}': FileNotFoundError: cannot find the requested files in the local cache; its pretrained "
        "weights cannot be had; give a state-dict file: weights: path/to/model.safetensors"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "resnet5"}, r"model timm: there is no model 'resnet5'; did you mean 'resnet50'"),
        (
            {"name": "resnet50.a1_in2k"},
            r"model timm: 'resnet50' has no weights 'a1_in2k'; did you mean 'resnet50\.a1_in1k'",
        ),
        ({"name": "efficientnet_lite1"}, r"model timm 'efficientnet_lite1': RuntimeError: .*[Pp]retrained"),
        ({"name": SMALL, "pretrained": False, "kwargs": {"depth": 3}}, r"TypeError: .*depth"),
        ({"name": SMALL, "weights": "./nowhere.pth"}, r"weights: there is no '\./nowhere\.pth'"),
    ],
)
def test_faults_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        TimmModel(**options).open()


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"model timm: needs timm; install it by: pip install 'xaikit\[timm\]'"):
        TimmModel(SMALL).open()
