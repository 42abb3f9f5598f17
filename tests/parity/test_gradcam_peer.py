"""Against pytorch-grad-cam 1.5.7 on real weights and on random ones, raw and after the same finishing."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam as peers
import torch
import xaikit
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from nets import PHOTOGRAPHED, PLACES, distance, subject

CLOSE = 1e-5
EXACT = 1e-10
PEERS = {"gradcam": peers.GradCAM, "hirescam": peers.HiResCAM, "layercam": peers.LayerCAM}
METHODS = dict.fromkeys([*PEERS, "gradcampp"]) | {"as peer": {"use": "gradcampp", "variant": "pytorch-grad-cam"}}
# as pytorch-grad-cam always finishes: it takes min-max once more after the mean over layers, and so do we
FINISH = {"rectify": "relu", "normalize": "minmax", "scale": "none", "resize": "input", "fuse": "mean"}
places = pytest.mark.parametrize(("name", "layer"), PLACES, ids=str)


@cache
def ours(name: str, *layers: str) -> dict[str, xaikit.Explanation]:
    model, x = subject(name)
    return xaikit.explain(model, x, METHODS, layers=layers, target=PHOTOGRAPHED, finish=FINISH)


def theirs(model: nn.Module, x: Tensor, layers: tuple[str, ...], peer: Any) -> tuple[Tensor, Tensor]:
    """Its finished map, and its raw one at the first layer."""
    modules = [model.get_submodule(layer) for layer in layers]
    targets = [ClassifierOutputTarget(index) for index in PHOTOGRAPHED]
    extractor = peer(model, modules)
    finished = extractor(x, targets)
    seen = extractor.activations_and_grads
    evidence = seen.activations[0].numpy(), seen.gradients[0].numpy()
    raw = extractor.get_cam_image(x, modules[0], targets, *evidence, eigen_smooth=False)
    seen.release()
    return torch.from_numpy(finished), torch.from_numpy(np.asarray(raw))


@places
@pytest.mark.parametrize("method", sorted(PEERS))
def test_maps_equal_pytorch_grad_cams_raw_and_after_the_same_finishing(method: str, name: str, layer: str) -> None:
    found = ours(name, layer)[method]
    finished, raw = theirs(*subject(name), (layer,), PEERS[method])
    assert distance(found.maps[layer], raw) <= CLOSE
    assert found.map is not None
    assert distance(found.map, finished) <= CLOSE
    assert finished.flatten(1).amax(1).gt(0).all()


@pytest.mark.parametrize("method", sorted(PEERS))
def test_the_mean_over_layers_equals_pytorch_grad_cams(method: str) -> None:
    layers = ("blocks.4", "bn2")
    finished, _ = theirs(*subject("efficientnet_lite0"), layers, PEERS[method])
    found = ours("efficientnet_lite0", *layers)[method].map
    assert found is not None
    assert distance(found, finished) <= CLOSE


@places
def test_grad_campp_variant_pytorch_grad_cam_equals_pytorch_grad_cams(name: str, layer: str) -> None:
    """In float64: its denominator passes close to zero on signed layers, where float32 rounding grows 5000-fold."""
    model, x = subject(name)
    model, x = copy.deepcopy(model).double(), x.double()
    method = {"as peer": {"use": "gradcampp", "variant": "pytorch-grad-cam"}}
    found = xaikit.explain(model, x, method, layers=layer, target=PHOTOGRAPHED, finish=FINISH)["as peer"]
    finished, raw = theirs(model, x, (layer,), peers.GradCAMPlusPlus)
    assert distance(found.maps[layer], raw) <= EXACT
    assert found.map is not None
    assert distance(found.map, finished) <= CLOSE


@places
def test_paper_grad_campp_differs_from_pytorch_grad_cam_because_its_epsilon_outweighs_the_gradients(
    name: str, layer: str
) -> None:
    """1e-6 stands beside 2 g^2, which is smaller on real networks."""
    found = ours(name, layer)["gradcampp"].map
    finished, _ = theirs(*subject(name), (layer,), peers.GradCAMPlusPlus)
    assert found is not None
    d = (found - finished).abs().flatten(1).amax(1).min().item()
    print("PIN", name, layer, d, ours(name, layer)["gradcampp"].warnings)
    assert d > 0.0
