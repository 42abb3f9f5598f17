"""The networks of the matrix: built from nothing but a seed, small, and alive from head to foot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import timm
import torch
import torchvision
from torch import Tensor, nn

from helpers.nets import Spec, calibrated, narrow, photographs, redrawn
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate

CLASSES = 10
SAMPLES = 2
models = torchvision.models
Kind = Literal["classifier", "1-D", "3-D", "segmenter", "detector", "image and text"]


@dataclass(frozen=True)
class Architecture:
    """One row of the matrix.

    family  under which people look for it
    build   the network; randomness by the global generator, which :meth:`network` seeds and puts back
    shape   of one input
    target  the class that wins, if nothing else is said
    output  the part of what it returns that is scored
    """

    name: str
    family: str
    source: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (3, 96, 96)
    kind: Kind = "classifier"
    target: Any = "top1"
    output: str | int = "auto"

    def network(self) -> nn.Module:
        """In evaluation mode, with seeded weights; none of them zero, and statistics of a batch of noise."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = redrawn(self.build().eval())
        generator = torch.Generator().manual_seed(1)
        return calibrated(model, torch.randn(8, *self.shape, generator=generator))

    def inputs(self) -> Tensor:
        """Photographs, and noise where they do not fit."""
        if self.shape[0] == 3 and len(self.shape) == 3:
            return photographs(self.shape[1])[:SAMPLES].clone()
        return torch.randn(SAMPLES, *self.shape, generator=torch.Generator().manual_seed(2))


def _torchvision(
    name: str, family: str, build: Callable[[], nn.Module] | None = None, side: int = 96, **options: Any
) -> Architecture:
    make = build or partial(getattr(models, name), weights=None, num_classes=CLASSES, **options)
    return Architecture(name, family, "torchvision", make, (3, side, side))


def _timm(name: str, family: str, side: int = 96, **options: Any) -> Architecture:
    make = partial(timm.create_model, name, pretrained=False, num_classes=CLASSES, **options)
    return Architecture(name, family, "timm", make, (3, side, side))


def _maxvit() -> nn.Module:
    """Windows of 3 in place of 7, which want inputs of 224."""
    return models.MaxVit(
        input_size=(96, 96), stem_channels=16, partition_size=3, block_channels=[16, 32, 64, 128], block_layers=[1, 1, 1, 1],
        head_dim=16, stochastic_depth_prob=0.0, num_classes=CLASSES,
    )  # fmt: skip


def _clip() -> nn.Module:
    small = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4}
    text = {"vocab_size": 99, "max_position_embeddings": 16, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}
    options = {
        "name": "clip",
        "weights": None,
        "text": [[1, 5, 7, 2], [1, 6, 8, 2], [1, 9, 4, 2]],
        "kwargs": {
            "vision_config": {**small, "image_size": 96, "patch_size": 16},
            "text_config": {**small, **text},
            "projection_dim": 32,
        },
    }
    opened: Any = instantiate("model", Use("transformers", options), Registry())
    module: nn.Module = opened.open().module
    return module


SURE_OF_NOTHING = {"detections_per_img": 10, "min_size": 64, "max_size": 64, "num_classes": 5}
"""Detectors of random weights take the best of what comes, however low its score."""


def _faster_rcnn() -> nn.Module:
    options = {
        f"box_{name}" if name == "detections_per_img" else name: value for name, value in SURE_OF_NOTHING.items()
    }
    return models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, box_score_thresh=0.0, rpn_post_nms_top_n_test=20, **options
    )


def _retinanet() -> nn.Module:
    """On a ResNet-18 in place of 50: every channel is ablated at three layers, each time all of the detector behind it."""
    detection = models.detection
    levels = torchvision.ops.feature_pyramid_network.LastLevelP6P7(256, 256)
    backbone = detection.backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, returned_layers=[2, 3, 4], extra_blocks=levels
    )
    return detection.RetinaNet(backbone, score_thresh=0.0, **SURE_OF_NOTHING)


_VIT = {"img_size": 96, "depth": 4}
TORCHVISION = (
    _torchvision("alexnet", "AlexNet", lambda: narrow(models.alexnet), side=128),
    _torchvision("vgg11", "VGG", lambda: narrow(models.vgg11)),
    _torchvision("vgg11_bn", "VGG", lambda: narrow(models.vgg11_bn)),
    _torchvision("resnet18", "ResNet"),
    _torchvision("resnet50", "ResNet"),
    _torchvision("resnext50_32x4d", "ResNeXt"),
    _torchvision("densenet121", "DenseNet"),
    _torchvision("googlenet", "GoogLeNet", aux_logits=True, init_weights=False),
    _torchvision("inception_v3", "Inception", side=160, aux_logits=True, init_weights=False),
    _torchvision("squeezenet1_1", "SqueezeNet"),
    _torchvision("mobilenet_v2", "MobileNet"),
    _torchvision("mobilenet_v3_small", "MobileNet"),
    _torchvision("shufflenet_v2_x0_5", "ShuffleNet"),
    _torchvision("mnasnet0_5", "MNASNet"),
    _torchvision("efficientnet_b0", "EfficientNet"),
    _torchvision("regnet_x_400mf", "RegNet"),
    _torchvision("regnet_y_400mf", "RegNet"),
    _torchvision("convnext_tiny", "ConvNeXt"),
    _torchvision(
        "VisionTransformer", "ViT", lambda: models.VisionTransformer(96, 16, 4, 4, 64, 128, num_classes=CLASSES)
    ),
    _torchvision("swin_t", "Swin"),
    _torchvision("swin_v2_t", "Swin 2"),
    _torchvision("MaxVit", "MaxViT", _maxvit),
)
TIMM = (
    _timm("vit_tiny_patch16_224", "ViT", **_VIT),
    _timm("vit_base_patch16_siglip_gap_224", "ViT", **_VIT, embed_dim=192, num_heads=3),
    _timm("deit_tiny_distilled_patch16_224", "DeiT", **_VIT),
    _timm("deit3_small_patch16_224", "DeiT", **_VIT, embed_dim=192, num_heads=3),
    _timm("vit_small_patch14_reg4_dinov2", "DINOv2", 98, img_size=98, depth=4, embed_dim=192, num_heads=3),
    _timm("beit_base_patch16_224", "BEiT", **_VIT, embed_dim=192, num_heads=3),
    _timm("eva02_tiny_patch14_224", "EVA", 98, img_size=98, depth=4),
    _timm("cait_xxs24_224", "CaiT", **_VIT),
    _timm("xcit_nano_12_p16_224", "XCiT", **_VIT),
    _timm("swin_tiny_patch4_window7_224", "Swin", img_size=96, window_size=3),
    _timm("swinv2_tiny_window8_256", "Swin 2", img_size=96, window_size=3),
    _timm("maxvit_pico_rw_256", "MaxViT", img_size=96),
    _timm("coatnet_nano_rw_224", "CoAtNet", img_size=96),
    _timm("pvt_v2_b0", "PVT"),
    _timm("twins_svt_small", "Twins"),
    _timm("pit_ti_224", "PiT", 128, img_size=128),
    _timm("levit_128s", "LeViT", 192, img_size=192),
    _timm("crossvit_tiny_240", "CrossViT", 120, img_size=120),
    _timm("hiera_tiny_224", "Hiera", 128, img_size=128),
    _timm("mvitv2_tiny", "MViT", img_size=96),
    _timm("mobilevit_xxs", "MobileViT", 128),
    _timm("edgenext_xx_small", "EdgeNeXt"),
    _timm("mixer_s16_224", "MLP-Mixer", img_size=96),
    _timm("resmlp_12_224", "ResMLP", img_size=96),
    _timm("gmlp_ti16_224", "gMLP", img_size=96),
    _timm("convmixer_1024_20_ks9_p14", "ConvMixer", 98),
    _timm("poolformer_s12", "PoolFormer"),
    _timm("caformer_s18", "MetaFormer"),
    _timm("convnextv2_atto", "ConvNeXt"),
    _timm("focalnet_tiny_srf", "FocalNet"),
    _timm("mambaout_femto", "MambaOut"),
    _timm("nfnet_l0", "NFNet"),
    _timm("mobilenetv1_100", "MobileNet"),
    _timm("mobilenetv4_conv_small", "MobileNet"),
    _timm("tf_efficientnet_lite0", "EfficientNet"),
    _timm("tf_efficientnetv2_b0", "EfficientNet"),
    _timm("ghostnet_050", "GhostNet"),
    _timm("repvgg_a0", "RepVGG"),
    _timm("seresnext26ts", "SE-ResNeXt"),
    _timm("res2net50_26w_4s", "Res2Net"),
    _timm("hrnet_w18_small", "HRNet"),
    _timm("xception41p", "Xception"),
    _timm("vovnet39a", "VoVNet"),
    _timm("dla34", "DLA"),
)
OTHERS = (
    Architecture("conv1d", "1-D", "by hand", lambda: Spec(dims=1, width=8).build(torch.float32)[0], (2, 64), "1-D"),
    Architecture(
        "r3d_18", "ResNet", "torchvision", partial(models.video.r3d_18, num_classes=CLASSES), (3, 8, 48, 48), "3-D"
    ),
    Architecture(
        "lraspp_mobilenet_v3_large",
        "LR-ASPP",
        "torchvision",
        partial(models.segmentation.lraspp_mobilenet_v3_large, weights=None, weights_backbone=None, num_classes=5),
        kind="segmenter",
        target="region",
        output="out",
    ),
    Architecture(
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "Faster R-CNN",
        "torchvision",
        _faster_rcnn,
        (3, 64, 64),
        "detector",
        "box",
    ),
    Architecture("retinanet_resnet18_fpn", "RetinaNet", "torchvision", _retinanet, (3, 64, 64), "detector", "box"),
    Architecture("clip", "CLIP", "transformers", _clip, kind="image and text"),
)
ARCHITECTURES = {one.name: one for one in (*TORCHVISION, *TIMM, *OTHERS)}
