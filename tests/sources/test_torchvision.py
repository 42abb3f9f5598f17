from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import models

from xaikit import ConfigError
from xaikit.sources.imagenet import CLASSES, WNIDS
from xaikit_sources.torchvision import TorchvisionModel, _transform

CLASSIFIERS = models.list_models(module=models)
SQUEEZENET = models.SqueezeNet1_1_Weights


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def state_of(name: str, **options):
    """A state dict that no seed of the source draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1234)
        return models.get_model(name, weights=None, **options).state_dict()


def equal(module, state) -> bool:
    loaded = module.state_dict()
    return loaded.keys() == state.keys() and all(torch.equal(loaded[name], state[name]) for name in loaded)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Torch's cache of downloads, empty, and no network."""

    def fail(url, *args, **kwargs):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("resnet50", "IMAGENET1K_V1"),
        ("resnet50", "IMAGENET1K_V2"),
        ("efficientnet_b0", "DEFAULT"),
        ("efficientnet_b4", "DEFAULT"),
        ("efficientnet_v2_s", "DEFAULT"),
        ("inception_v3", "DEFAULT"),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1"),
        ("swin_t", "DEFAULT"),
        ("convnext_tiny", "DEFAULT"),
        ("regnet_y_16gf", "IMAGENET1K_SWAG_LINEAR_V1"),
    ],
)
@pytest.mark.parametrize("shape", [(300, 401), (97, 64)])
def test_transform_is_that_of_the_weights_bit_for_bit(name, weights, shape):
    preset = models.get_model_weights(name)[weights].transforms()
    ours = _transform(preset)
    assert torch.equal(ours.tensor(ours.picture(noise(*shape))), preset(noise(*shape)))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_has_a_transform_and_imagenets_classes(name):
    for recipe in TorchvisionModel(name)._recipes().values():
        preset = recipe.transforms()
        ours = _transform(preset)
        assert [ours.size, ours.crop] == [*preset.resize_size, *preset.crop_size]
        assert preset.antialias
        assert tuple(recipe.meta["categories"]) == CLASSES


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "googlenet"])
def test_random_weights_come_from_the_seed_alone(name):
    before = torch.get_rng_state()
    first, second, other = (TorchvisionModel(name, None, seed).open() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert equal(first.module, second.module.state_dict())
    assert not equal(first.module, other.module.state_dict())
    assert first.origin == "random, seed 0"
    assert not first.module.training


def test_random_weights_have_the_transform_and_classes_of_default():
    opened = TorchvisionModel("squeezenet1_1", "none").open()
    assert opened.transform == _transform(SQUEEZENET.DEFAULT.transforms())
    assert (opened.classes, opened.wnids) == (CLASSES, WNIDS)


def test_other_outputs_than_imagenets_have_neither():
    opened = TorchvisionModel("squeezenet1_1", None, kwargs={"num_classes": 7}).open()
    assert (opened.transform, opened.classes, opened.wnids) == (None, None, None)


@pytest.mark.parametrize("weights", ["DEFAULT", "IMAGENET1K_V1", "SqueezeNet1_1_Weights.IMAGENET1K_V1"])
def test_published_weights_from_the_cache(cache, weights):
    state = state_of("squeezenet1_1")
    torch.save(state, cache / Path(SQUEEZENET.IMAGENET1K_V1.url).name)
    opened = TorchvisionModel("squeezenet1_1", weights).open()
    assert equal(opened.module, state)
    assert opened.origin == "torchvision SqueezeNet1_1_Weights.IMAGENET1K_V1"
    assert (opened.classes, opened.wnids) == (CLASSES, WNIDS)
    assert not opened.module.training


def test_each_weights_have_their_own_transform(cache):
    state = state_of("mobilenet_v2")
    for recipe in models.MobileNet_V2_Weights:
        torch.save(state, cache / Path(recipe.url).name)
    sizes = [TorchvisionModel("mobilenet_v2", f"IMAGENET1K_V{version}").open().transform.size for version in (1, 2)]
    assert sizes == [256, 232]


def test_failed_download(cache):
    with pytest.raises(ConfigError) as caught:
        TorchvisionModel("squeezenet1_1").open()
    file = cache / "squeezenet1_1-b8a52dc0.pth"
    assert str(caught.value) == (
        f"model torchvision 'squeezenet1_1': weights IMAGENET1K_V1 cannot be had: tried {file}, then "
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth: <urlopen error no network>; fetch that address "
        "elsewhere and put the file there, or name it: weights: path/to/squeezenet1_1-b8a52dc0.pth"
    )
    assert isinstance(caught.value.__cause__, URLError)


class Mark:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (self.path.write_text, ("ran",))


def test_code_in_the_cache_is_not_run(cache, tmp_path):
    torch.save({"a": Mark(tmp_path / "ran")}, cache / "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(ConfigError, match="weights IMAGENET1K_V1 cannot be had"):
        TorchvisionModel("squeezenet1_1").open()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_file(tmp_path, suffix):
    state, file = state_of("squeezenet1_1"), tmp_path / f"mine{suffix}"
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    opened = TorchvisionModel("squeezenet1_1", str(file)).open()
    assert equal(opened.module, state)
    assert opened.transform == _transform(SQUEEZENET.DEFAULT.transforms())
    assert (opened.classes, opened.wnids, opened.origin) == (CLASSES, WNIDS, str(file))


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v3_small", "googlenet", "shufflenet_v2_x0_5"])
def test_a_file_of_another_number_of_classes(tmp_path, name):
    options = {"init_weights": False} if name == "googlenet" else {}
    state = state_of(name, num_classes=5, **options)
    torch.save(state, tmp_path / "mine.pth")
    opened = TorchvisionModel(name, str(tmp_path / "mine.pth")).open()
    assert equal(opened.module, state)
    assert (opened.transform, opened.classes, opened.wnids) == (None, None, None)


def test_a_published_file_by_its_name_has_its_own_transform(tmp_path):
    file = tmp_path / Path(models.MobileNet_V2_Weights.IMAGENET1K_V1.url).name
    torch.save(state_of("mobilenet_v2"), file)
    assert TorchvisionModel("mobilenet_v2", str(file)).open().transform.size == 256  # DEFAULT has 232


def test_a_published_inception_file_rescales_its_input(tmp_path):
    published, mine = tmp_path / Path(models.GoogLeNet_Weights.DEFAULT.url).name, tmp_path / "mine.pth"
    for file in (published, mine):
        torch.save(state_of("googlenet", init_weights=False), file)
    assert TorchvisionModel("googlenet", str(published)).open().module.transform_input
    assert not TorchvisionModel("googlenet", str(mine)).open().module.transform_input
    kwargs = {"transform_input": True}
    assert TorchvisionModel("googlenet", str(mine), kwargs=kwargs).open().module.transform_input


def test_a_published_densenet_file_has_old_names(tmp_path):
    state = state_of("densenet121")
    old = {name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value for name, value in state.items()}
    assert old.keys() != state.keys()
    torch.save(old, tmp_path / "densenet.pth")
    assert equal(TorchvisionModel("densenet121", str(tmp_path / "densenet.pth")).open().module, state)


def test_a_file_of_another_network(tmp_path):
    torch.save(state_of("mobilenet_v3_small"), tmp_path / "other.pth")
    with pytest.raises(
        ConfigError, match=r"'squeezenet1_1': .*other\.pth: the weights do not fit SqueezeNet: \d+ missing"
    ):
        TorchvisionModel("squeezenet1_1", str(tmp_path / "other.pth")).open()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"name": "resnet5"},
            r"model torchvision: there is no classifier, detector or segmenter 'resnet5'; did you mean 'resnet50'",
        ),
        (
            {"name": "resnet50", "weights": "IMAGENET1K_V3"},
            r"there are no weights 'IMAGENET1K_V3'; did you mean 'IMAGENET",
        ),
        (
            {"name": "vgg16", "weights": "IMAGENET1K_FEATURES"},
            r"there are no weights 'IMAGENET1K_FEATURES'; did you mean",
        ),
        ({"name": "squeezenet1_1", "weights": None, "kwargs": {"depth": 3}}, r"'squeezenet1_1': TypeError: .*depth"),
        ({"name": "squeezenet1_1", "weights": "./nowhere.pth"}, r"weights: there is no '\./nowhere\.pth'"),
    ],
)
def test_faults_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        TorchvisionModel(**options).open()


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        (
            "retinanet_resnet50_fpn",
            {"box_score_thresh": 0.1},
            "RetinaNet, got 'box_score_thresh'; did you mean 'score_thresh'",
        ),
        ("fcos_resnet50_fpn", {"score_tresh": 0.1}, "FCOS, got 'score_tresh'; did you mean 'score_thresh'"),
        ("ssd300_vgg16", {"num_class": 3}, "SSD, got 'num_class'; did you mean 'num_classes'"),
        ("fasterrcnn_resnet50_fpn", {"score_thresh": 0.1}, "FasterRCNN, got 'score_thresh'; did you mean"),
        ("fcn_resnet50", {"aux_los": True}, "FCN, got 'aux_los'; did you mean 'aux_loss'"),
        ("lraspp_mobilenet_v3_large", {"backbone": 1}, "LRASPP, got 'backbone'; "),
    ],
)
def test_what_a_detector_would_drop_without_a_word_is_refused(name, kwargs, message):
    with pytest.raises(ConfigError, match=f"'{name}': kwargs: expected arguments of {message}"):
        TorchvisionModel(name, None, kwargs=kwargs).open()


def test_arguments_of_a_detector_reach_it():
    name = "ssdlite320_mobilenet_v3_large"
    assert TorchvisionModel(name, None, kwargs={"score_thresh": 0.5}).open().module.score_thresh == 0.5
    kwargs = {"box_score_thresh": 0.5, "fixed_size": (96, 64)}
    module = TorchvisionModel("fasterrcnn_mobilenet_v3_large_320_fpn", None, kwargs=kwargs).open().module
    assert (module.roi_heads.score_thresh, module.transform.fixed_size) == (0.5, (96, 64))


DETECTORS = models.list_models(module=models.detection)
SEGMENTERS = models.list_models(module=models.segmentation)


@pytest.mark.parametrize(
    "name", ["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn", "fcos_resnet50_fpn"]
)
def test_a_detector_gets_pictures_at_the_size_that_it_works_at(cache, name):
    opened = TorchvisionModel(name, None).open()
    assert opened.classes[:2] == ("__background__", "person")
    assert opened.wnids is None
    pixels = opened.transform.tensor(opened.transform.picture(noise(60, 97)))
    (seen,) = opened.module.transform([pixels])[0].tensors
    assert torch.equal(seen, opened.module.transform.normalize(pixels)), (
        "neither resized nor padded once more, so that maps lie where they belong"
    )


@pytest.mark.parametrize("name", ["deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"])
def test_a_segmenter_sees_whole_pictures_at_its_size(cache, name):
    opened = TorchvisionModel(name, None).open()
    preset = models.get_model_weights(name).DEFAULT.transforms()
    assert len(opened.classes) == 21
    assert opened.transform.crop == (520, 520)
    square = noise(97, 97)
    assert torch.equal(opened.transform.tensor(opened.transform.picture(square)), preset(square))
    black = ((0 - torch.tensor(opened.transform.mean)) / torch.tensor(opened.transform.std))[:, None, None]
    wide = opened.transform.tensor(opened.transform.picture(noise(60, 120)))
    assert torch.equal(wide[:, :130], black.expand(3, 130, 520))
    assert torch.equal(wide[:, 390:], black.expand(3, 130, 520))


@pytest.mark.parametrize("name", [*DETECTORS, *SEGMENTERS])
def test_every_detector_and_segmenter_is_known_by_its_classes(name):
    source = TorchvisionModel(name)
    assert source._is_dense
    assert all(recipe.meta["categories"] for recipe in source._recipes().values())


def test_a_detector_of_ones_own_keeps_the_transform_and_has_no_classes(cache, tmp_path):
    name, kwargs = "ssdlite320_mobilenet_v3_large", {"num_classes": 3}
    state = state_of(name, weights_backbone=None, **kwargs)
    torch.save(state, tmp_path / "mine.pth")
    opened = TorchvisionModel(name, str(tmp_path / "mine.pth"), kwargs=kwargs).open()
    assert equal(opened.module, state)
    assert opened.classes is None
    assert opened.transform == TorchvisionModel(name, None).open().transform
    with pytest.raises(ConfigError, match="the weights do not fit SSD"):
        TorchvisionModel(name, str(tmp_path / "mine.pth")).open()


def test_a_segmenter_with_an_auxiliary_head_is_opened_from_its_file(cache, tmp_path):
    state = state_of("deeplabv3_mobilenet_v3_large", weights_backbone=None, aux_loss=True)
    torch.save(state, tmp_path / "mine.pth")
    opened = TorchvisionModel("deeplabv3_mobilenet_v3_large", str(tmp_path / "mine.pth")).open()
    assert equal(opened.module, state)
    mine = TorchvisionModel("lraspp_mobilenet_v3_large", None, kwargs={"num_classes": 4}).open()
    assert (mine.transform, mine.classes) == (None, None)
    assert mine.usual == TorchvisionModel("lraspp_mobilenet_v3_large", None).open().transform


def test_published_weights_of_a_detector_from_the_cache(cache):
    recipe = models.detection.SSDLite320_MobileNet_V3_Large_Weights.DEFAULT
    torch.save(state_of("ssdlite320_mobilenet_v3_large", weights_backbone=None), cache / Path(recipe.url).name)
    opened = TorchvisionModel("ssdlite320_mobilenet_v3_large").open()
    assert opened.origin == "torchvision SSDLite320_MobileNet_V3_Large_Weights.COCO_V1"
    assert not opened.module.training
