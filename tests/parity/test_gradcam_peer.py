"""Against pytorch-grad-cam 1.5.7 on real weights and on random ones, raw and after the same finishing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam as peers
import torch
import xaikit
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from nets import distance, subject

CLOSE = 1e-5
CLASSES = [967, 285, 657]
PEERS = {"gradcam": peers.GradCAM, "hirescam": peers.HiResCAM, "layercam": peers.LayerCAM}
# as pytorch-grad-cam always finishes: it takes min-max once more after the mean over layers, and so do we
FINISH = {"rectify": "relu", "normalize": "minmax", "resize": "input", "fuse": "mean"}
PLACES = [
    ("efficientnet_lite0", "bn2"),
    ("efficientnet_lite0", "blocks.4"),
    ("resnet18", "layer4"),
    ("resnet18", "layer2"),
    ("densenet121", "features.denseblock4"),
    ("densenet121", "features.transition2"),
]
places = pytest.mark.parametrize(("name", "layer"), PLACES, ids=lambda value: value)


def ours(name: str, layers: str | list[str], method: str, **options: Any) -> xaikit.Explanation:
    model, x = subject(name)
    return xaikit.explain(model, x, {method: options}, layers=layers, target=CLASSES, finish=FINISH)[method]


def theirs(name: str, layers: list[str], peer: Any) -> tuple[Tensor, Tensor]:
    """Its finished map, and its raw one at the first layer."""
    model, x = subject(name)
    modules = [model.get_submodule(layer) for layer in layers]
    with peer(model, modules) as extractor:
        targets = [ClassifierOutputTarget(index) for index in CLASSES]
        finished = extractor(x, targets)
        seen = extractor.activations_and_grads
        evidence = seen.activations[0].numpy(), seen.gradients[0].numpy()
        raw = extractor.get_cam_image(x, modules[0], targets, *evidence)
    return torch.from_numpy(finished), torch.from_numpy(np.asarray(raw))


@places
@pytest.mark.parametrize("method", sorted(PEERS))
def test_maps_equal_pytorch_grad_cams_raw_and_after_the_same_finishing(method: str, name: str, layer: str) -> None:
    found = ours(name, layer, method)
    finished, raw = theirs(name, [layer], PEERS[method])
    assert distance(found.maps[layer], raw) <= CLOSE
    assert found.map is not None
    assert distance(found.map, finished) <= CLOSE
    assert finished.flatten(1).amax(1).gt(0).any()


@pytest.mark.parametrize("method", sorted(PEERS))
def test_the_mean_over_layers_equals_pytorch_grad_cams(method: str) -> None:
    layers = ["blocks.4", "bn2"]
    finished, _ = theirs("efficientnet_lite0", layers, PEERS[method])
    found = ours("efficientnet_lite0", layers, method).map
    assert found is not None
    assert distance(found, finished) <= CLOSE


@places
def test_grad_campp_variant_pytorch_grad_cam_equals_pytorch_grad_cams(name: str, layer: str) -> None:
    found = ours(name, layer, "gradcampp", variant="pytorch-grad-cam")
    finished, raw = theirs(name, [layer], peers.GradCAMPlusPlus)
    assert distance(found.maps[layer], raw) <= CLOSE
    assert found.map is not None
    assert distance(found.map, finished) <= CLOSE


@places
def test_paper_grad_campp_differs_from_pytorch_grad_cam_because_its_epsilon_outweighs_the_gradients(
    name: str, layer: str
) -> None:
    """1e-6 stands beside 2 g^2, which is smaller on real networks."""
    found = ours(name, layer, "gradcampp").map
    finished, _ = theirs(name, [layer], peers.GradCAMPlusPlus)
    assert found is not None
    assert distance(found, finished) > 0.0
