import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import xaikit
from xaikit import ConfigError
from xaikit.sources import Transform
from xaikit.sources.imagenet import WNIDS
from xaikit_sources._processors import transform_of
from xaikit_sources.transformers import TransformersModel, _quiet, _wnids

hf = pytest.importorskip("transformers")

TOKENS = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
SQUARE = {**TOKENS, "image_size": 32, "patch_size": 4}
STAGES = {"hidden_sizes": [8, 8, 12, 16], "depths": [1, 1, 2, 1], "num_labels": 12}
DINO = {**{key: value for key, value in SQUARE.items() if key != "intermediate_size"}, "num_labels": 5}
VIT = {**SQUARE, "num_labels": 5}
SWIN = {
    "embed_dim": 8,
    "depths": [1, 1, 2],
    "num_heads": [1, 2, 2],
    "window_size": 2,
    "image_size": 32,
    "patch_size": 2,
}
SEGFORMER = {
    "hidden_sizes": [8, 8, 12, 16],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
    "decoder_hidden_size": 16,
    "num_labels": 12,
}
TEXT = {**TOKENS, "num_hidden_layers": 2, "vocab_size": 50, "max_position_embeddings": 8}
CLIP = {
    "projection_dim": 8,
    "text_config": {**TEXT, "eos_token_id": 49, "bos_token_id": 48, "pad_token_id": 49},
    "vision_config": SQUARE,
}
SIGLIP = {"text_config": {**TEXT, "max_position_embeddings": 4, "projection_size": 16}, "vision_config": SQUARE}
IDS = [[48, 3, 4, 49], [48, 5, 7, 49], [48, 6, 6, 49]]
BERT = {**TEXT, "hidden_size": 16}
CATS = ["a cat", "a tabby cat"]


def tiny(name, kwargs, **options):
    return TransformersModel(name, "none", kwargs=kwargs, **options).open()


def saved(folder, name, kwargs, processor=None, labels=None, **options):
    """A folder as ``save_pretrained`` writes it, and the state of the model in it."""
    labelled = {"id2label": dict(enumerate(labels))} if labels else {}
    opened = tiny(name, kwargs, **options).module
    model = getattr(opened, "model", opened)
    for key, value in labelled.items():
        setattr(model.config, key, value)
    with _quiet(hf):
        model.save_pretrained(folder)
        if processor is not None:
            processor.save_pretrained(folder)
    return model.state_dict()


def equal(module, state):
    loaded = module.state_dict()
    return loaded.keys() == state.keys() and all(torch.equal(loaded[name], state[name]) for name in loaded)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_folder(folder):
    processor = hf.ViTImageProcessor(size={"height": 32, "width": 32})
    state = saved(folder / "vit", "vit", VIT, processor, labels=["a", "b", "c", "d", "e"])
    before = torch.get_rng_state()
    opened = TransformersModel("./vit").open()
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(opened.module, hf.ViTForImageClassification)
    assert equal(opened.module, state)
    assert not opened.module.training
    assert opened.transform == Transform((32, 32), (32, 32), (0.5,) * 3, (0.5,) * 3, "bilinear")
    assert (opened.classes, opened.wnids, opened.origin) == (tuple("abcde"), None, "transformers ./vit")


def test_half_precision_is_opened_in_single(folder):
    saved(folder / "vit", "vit", VIT)
    with _quiet(hf):
        hf.ViTForImageClassification.from_pretrained("vit").half().save_pretrained("vit")
    assert load_file("vit/model.safetensors")["classifier.weight"].dtype == torch.float16
    assert {value.dtype for value in TransformersModel("vit").open().module.state_dict().values()} == {torch.float32}


def test_without_processor_and_labels_nothing_is_claimed(folder):
    saved(folder / "vit", "vit", VIT)
    opened = TransformersModel("vit").open()
    assert (opened.transform, opened.classes, opened.wnids) == (None, None, None)


def test_random_weights_come_from_the_seed_alone(folder):
    saved(folder / "vit", "vit", VIT)
    before = torch.get_rng_state()
    for name, kwargs in (("vit", VIT), (str(folder / "vit"), {})):
        first, second, other = (TransformersModel(name, None, seed=seed, kwargs=kwargs).open() for seed in (0, 0, 1))
        assert torch.equal(torch.get_rng_state(), before)
        assert equal(first.module, second.module.state_dict())
        assert not equal(first.module, other.module.state_dict())
        assert first.origin == "random, seed 0"


def test_a_changed_config(folder):
    saved(folder / "vit", "vit", VIT)
    opened = TransformersModel("./vit", "none", kwargs={"num_hidden_layers": 1, "num_labels": 7}).open()
    assert opened.module(torch.rand(1, 3, 32, 32)).logits.shape == (1, 7)
    assert len(opened.module.vit.layers) == 1


def test_another_architecture(folder):
    saved(folder / "vit", "vit", VIT)
    opened = TransformersModel("./vit", architecture="ViTModel", kwargs={}, weights=None).open()
    assert isinstance(opened.module, hf.ViTModel)


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state}])
def test_weights_from_a_file(folder, wrap):
    state = saved(folder / "vit", "vit", VIT, seed=5)
    torch.save(wrap(state), "mine.pth")
    opened = TransformersModel("./vit", "mine.pth").open()
    assert equal(opened.module, state)
    assert opened.origin == "mine.pth"


def test_a_file_as_it_is_published_has_other_names(folder):
    state = saved(folder / "vit", "vit", VIT, seed=5)
    assert load_file("vit/model.safetensors").keys() != state.keys()
    assert equal(TransformersModel("./vit", "vit/model.safetensors", seed=9).open().module, state)


def test_a_file_of_another_number_of_classes(folder):
    saved(folder / "vit", "vit", VIT, labels=["a", "b", "c", "d", "e"])
    state = saved(folder / "other", "vit", {**VIT, "num_labels": 8})
    opened = TransformersModel("./vit", "other/model.safetensors").open()
    assert equal(opened.module, state)
    assert opened.classes is None


def test_weights_that_do_not_fit(folder):
    state = saved(folder / "vit", "vit", VIT)
    torch.save({name: value for name, value in state.items() if name != "classifier.bias"}, "less.pth")
    torch.save({**state, "more": torch.ones(1)}, "more.pth")
    torch.save({**state, "vit.layernorm.bias": torch.ones(3)}, "shape.pth")
    for file, message in {
        "less.pth": r"1 missing \(classifier\.bias\)$",
        "more.pth": r"1 unknown \(more\)$",
        "shape.pth": r"1 of another shape \(vit\.layernorm\.bias: expected \(16,\), got \(3,\)\)$",
    }.items():
        with pytest.raises(ConfigError, match=rf"{file}: the weights do not fit ViTForImageClassification: {message}"):
            TransformersModel("./vit", file).open()


def test_a_head_that_is_not_in_the_folder_is_no_random_one(folder):
    saved(folder / "vit", "vit", VIT)
    with pytest.raises(ConfigError, match=r"'\./vit': the weights do not fit ViTForMaskedImageModeling: 3 missing"):
        TransformersModel("./vit", architecture="ViTForMaskedImageModeling").open()


TARGETS = {"semantic": lambda logits: logits[:, 3].mean((1, 2))}


@pytest.mark.parametrize(
    ("name", "kwargs", "architecture", "side", "layer", "shape"),
    [
        ("vit", VIT, None, 32, "vit.layers.1", (8, 8)),  # the last block leaves gradient at its class token alone
        ("beit", VIT, None, 32, "beit.layers.2", (8, 8)),
        ("dinov2", DINO, None, 32, "dinov2[last_hidden_state]", (8, 8)),
        ("convnext", STAGES, None, 64, "convnext.encoder[last_hidden_state]", (2, 2)),
        ("resnet", {**STAGES, "embedding_size": 8}, None, 64, "resnet.encoder[last_hidden_state]", (2, 2)),
        ("swin", {**SWIN, "num_labels": 5}, None, 32, "swin.layernorm", (4, 4)),
        ("segformer", SEGFORMER, "SegformerForSemanticSegmentation", 64, "decode_head.activation", (16, 16)),
    ],
)
def test_they_are_explained_at_the_layer_that_auto_finds(name, kwargs, architecture, side, layer, shape):
    module = tiny(name, kwargs, architecture=architecture).module
    target = TARGETS["semantic"] if architecture else "top1"
    inputs = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    explanations = xaikit.explain(module, inputs, ["gradcam", "scorecam"], layers="auto", target=target)
    for explanation in explanations.values():
        assert {tap: tuple(one.shape) for tap, one in explanation.maps.items()} == {layer: (2, *shape)}
        assert explanation.map.isfinite().all()


@pytest.mark.parametrize(("name", "kwargs"), [("clip", CLIP), ("siglip", SIGLIP)])
def test_prompts_are_classes(name, kwargs):
    opened = tiny(name, kwargs, text=IDS)
    pixels = torch.rand(2, 3, 32, 32)
    theirs = opened.module.model(input_ids=torch.tensor(IDS), pixel_values=pixels).logits_per_image
    torch.testing.assert_close(opened.module(pixels), theirs)
    assert opened.module.text_embeds.shape[0] == 3
    assert not opened.module.text_embeds.requires_grad
    assert opened.classes is None  # ids are no names


@pytest.mark.parametrize(
    ("name", "kwargs", "layer"),
    [("clip", CLIP, "model.vision_model.encoder.layers.1"), ("siglip", SIGLIP, "model.vision_model.post_layernorm")],
)
@pytest.mark.parametrize("text", [IDS, None])
def test_image_text_models_are_explained(name, kwargs, layer, text):
    module = tiny(name, kwargs, text=text).module
    explanation = xaikit.explain(module, torch.rand(2, 3, 32, 32), "gradcam", layers="auto", target=2)["gradcam"]
    assert {tap: tuple(one.shape) for tap, one in explanation.maps.items()} == {layer: (2, 8, 8)}
    named = "model.vision_model.encoder.layers.0"
    assert set(xaikit.explain(module, torch.rand(2, 3, 32, 32), "gradcam", layers=named)["gradcam"].maps) == {named}


def test_without_prompts_the_output_is_the_embedding():
    opened = tiny("clip", CLIP)
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(opened.module(pixels), opened.module.model.get_image_features(pixels).pooler_output)
    assert opened.classes is None


def test_prompts_are_read_by_the_tokenizer_of_the_folder(folder):
    words = [
        "<|startoftext|>",
        "<|endoftext|>",
        "a</w>",
        "cat</w>",
        "tabby</w>",
        *"abcty",
        *(f"{c}</w>" for c in "bcty"),
    ]
    merges = ["c a", "t a", "b b", "ca t</w>", "ta bb", "tabb y</w>"]
    words += ["ca", "ta", "bb", "tabb"]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    tokenizer = hf.CLIPTokenizer(vocab=vocabulary, merges=[tuple(pair.split()) for pair in merges])
    text = {**CLIP["text_config"], "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    saved(folder / "clip", "clip", {**CLIP, "text_config": text}, tokenizer)
    opened = TransformersModel("./clip", text=CATS).open()
    assert opened.classes == tuple(CATS)
    tokens = tokenizer(CATS, padding=True, return_tensors="pt")
    assert tokens["input_ids"].tolist() == [[0, 2, 3, 1, 1], [0, 2, 4, 3, 1]]
    pixels = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(
        opened.module(pixels), opened.module.model(pixel_values=pixels, **tokens).logits_per_image
    )
    with pytest.raises(ConfigError, match=r"model transformers '\./clip': \w+: "):
        TransformersModel("./clip", text=["a cat " * 9]).open()  # longer than its eight positions


@pytest.mark.parametrize(
    ("processor", "options"),
    [
        ("ViTImageProcessor", {}),
        ("CLIPImageProcessor", {}),
        ("SiglipImageProcessor", {}),
        ("DeiTImageProcessor", {}),
        ("BitImageProcessor", {}),
        ("LevitImageProcessor", {}),
        ("ConvNextImageProcessor", {}),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}}),
        ("PoolFormerImageProcessor", {}),
        ("SegformerImageProcessor", {}),
        ("ViTImageProcessor", {"do_normalize": False}),
    ],
)
@pytest.mark.parametrize("shape", [(600, 800), (131, 90)])
def test_transform_is_that_of_the_processor_up_to_rounding(processor, options, shape):
    processor = getattr(hf, processor)(**options)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8))
    ours = transform_of(processor)
    theirs = processor(images=picture, return_tensors="pt")["pixel_values"][0]
    colours = (ours.tensor(ours.picture(picture)) - theirs).abs() * torch.tensor(ours.std)[:, None, None] * 255
    assert colours.mean() < 0.5


@pytest.mark.parametrize(
    ("processor", "options"),
    [
        ("MobileViTImageProcessor", {}),  # blue first
        ("ViTImageProcessor", {"do_resize": False}),
        ("ViTImageProcessor", {"resample": 1}),
        ("DetrImageProcessor", {}),  # as wide as the picture is
        ("EfficientNetImageProcessor", {}),
    ],
)
def test_what_a_transform_cannot_say_is_left_to_the_config(processor, options):
    assert transform_of(getattr(hf, processor)(**options)) is None


@pytest.mark.parametrize("side", [224, 256, 336])
def test_an_odd_margin_of_the_crop_is_no_other_transform(side):
    sides = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    assert transform_of(hf.CLIPImageProcessor(**sides)).size == side


def test_imagenet_is_known_by_its_labels():
    lemmas = pytest.importorskip("timm.data").ImageNetInfo()
    labels = tuple(lemmas.index_to_description(index) for index in range(1000))
    assert labels[0] == "tench, Tinca tinca"
    assert _wnids(labels) == WNIDS
    assert _wnids(labels[::-1]) is None
    assert _wnids(labels[:10]) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "./vitt"}, r"model transformers '\./vitt': there is no '\./vitt'; in '.*': did you mean 'vit'"),
        ({"name": "./bare"}, r"model transformers '\./bare': \w+: "),
        ({"name": "./vit", "architecture": "ViTForImageClasification"}, r"no model .*; did you mean 'ViTForImageCl"),
        (
            {"name": "./vit", "kwargs": {"image_sizes": 3}},
            r"kwargs: no setting 'image_sizes'; did you mean 'image_size'",
        ),
        ({"name": "./vit", "weights": "mine.pth"}, r"weights: there is no 'mine\.pth'"),
        ({"name": "./vit", "text": ["a cat"]}, r"text: expected a model of pictures and texts, got ViTForImageClass"),
        ({"name": "./clip", "text": ["a cat"]}, r"text: there is no tokenizer beside the config; write lists of token"),
        (
            {"name": "bert", "weights": None, "text": ["a"], "kwargs": BERT},
            r"text: expected a model of pictures and texts, got Bert",
        ),
    ],
)
def test_faults_are_named(folder, options, message):
    saved(folder / "vit", "vit", VIT)
    saved(folder / "clip", "clip", CLIP)
    (folder / "bare").mkdir()
    with pytest.raises(ConfigError, match=message):
        TransformersModel(**options).open()


@pytest.mark.parametrize("weights", ["DEFAULT", None])
def test_no_network(offline, weights):
    with pytest.raises(ConfigError) as caught:
        TransformersModel("google/vit-base-patch16-224", weights).open()
    assert str(caught.value).startswith("model transformers 'google/vit-base-patch16-224': OSError: ")
    assert str(caught.value).endswith(
        "; where there is a network, 'hf download google/vit-base-patch16-224 --local-dir FOLDER' fetches it; "
        "then write name: ./FOLDER"
    )


def test_logits_that_are_no_cosines_are_refused(monkeypatch):
    monkeypatch.setattr("xaikit_sources.transformers.differs", lambda *_: True)
    with pytest.raises(ConfigError, match="text: expected logits that are cosines, as CLIP's, not CLIPModel's"):
        tiny("clip", CLIP, text=IDS)


def test_other_logits_are_noticed():
    from xaikit_sources._image_text import differs

    joint, tokens, pixels = (
        tiny("clip", CLIP, text=IDS).module,
        {"input_ids": torch.tensor(IDS)},
        torch.rand(1, 3, 32, 32),
    )
    assert not differs(joint, tokens, pixels)
    joint.model.logit_bias = torch.tensor(1.0)  # it has one now, and its own forward knows of none
    assert differs(joint, tokens, pixels)


@pytest.mark.parametrize("text", ["a cat", [], ["a", [1]], [[1, 2], [1]]])
def test_text_is_a_list(text):
    with pytest.raises(ValueError, match="text: expected "):
        TransformersModel("clip", text=text)


def test_progress_bars_and_notices_are_as_before():
    logging = hf.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    tiny("vit", VIT)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"needs transformers; install it by: pip install 'xaikit\[hf\]'"):
        TransformersModel("vit").open()


def test_a_processor_that_fails_is_none():
    assert transform_of(SimpleNamespace()) is None
