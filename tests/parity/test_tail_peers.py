"""Shapley-CAM and DFF against pytorch-grad-cam 1.5.7. No installed peer has LIFT-CAM, or gradients on a way of activations."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import pytorch_grad_cam as peers
import torch
from pytorch_grad_cam.feature_factorization.deep_feature_factorization import dff as theirs_of
from pytorch_grad_cam.utils.model_targets import ClassifierOutputReST, ClassifierOutputTarget
from torch import Tensor

import xaikit
from helpers.nets import distance, photographs, random_model
from helpers.slow_formulas import Array
from helpers.views import made_view
from xaikit.needs import Needs
from xaikit.registry import Registry

CLOSE = 1e-4
LAYERS = ("layer2", "layer4")
CLASSES = [3, 200, 999]


@cache
def subject() -> tuple[torch.nn.Module, Tensor]:
    """A frozen ResNet-18 with random weights and small photographs, which require grad as the peer asks."""
    return random_model("resnet18").requires_grad_(False), photographs(64).requires_grad_()


def rest(output: Tensor) -> Tensor:
    rows = range(len(CLASSES))
    return output[rows, CLASSES] + output.log_softmax(1)[rows, CLASSES]


def logits(output: Tensor) -> Tensor:
    return output[range(len(CLASSES)), CLASSES]


def theirs_at(model: torch.nn.Module, x: Tensor, layer: str, target: type) -> Tensor:
    """The peer's raw map; it can be asked once a pass, as it frees the graph."""
    raws = []

    class Raw(peers.ShapleyCAM):
        def get_cam_image(self, *args: object) -> Array:
            raws.append(super().get_cam_image(*args))
            return raws[-1]

    with Raw(model, [model.get_submodule(layer)]) as extractor:
        extractor(x, [target(index) for index in CLASSES])
    return torch.from_numpy(np.asarray(raws[0]))


@pytest.mark.parametrize("layer", LAYERS)
def test_shapleycam_equals_pytorch_grad_cams_for_a_score_that_bends(layer: str) -> None:
    model, x = subject()
    explanations = xaikit.explain(model, x, ["shapleycam", "gradcam"], layers=layer, target=rest)
    maps = explanations["shapleycam"].maps[layer]
    assert distance(maps, theirs_at(model, x, layer, ClassifierOutputReST)) <= CLOSE
    # the second order is there to be seen
    assert distance(maps, explanations["gradcam"].maps[layer]) > 10 * CLOSE


@pytest.mark.parametrize("layer", LAYERS)
def test_for_a_logit_both_are_gradcam(layer: str) -> None:
    """The peer needs weights that require grad there: of a frozen model it finds no graph to differentiate twice."""
    model, x = random_model("resnet18"), photographs(64)
    explanations = xaikit.explain(model, x, ["shapleycam", "gradcam"], layers=layer, target=logits)
    maps = explanations["shapleycam"].maps[layer]
    assert torch.equal(maps, explanations["gradcam"].maps[layer])
    assert distance(maps, theirs_at(model, x, layer, ClassifierOutputTarget)) <= CLOSE
    with pytest.raises(RuntimeError, match="does not require grad"):
        theirs_at(model.requires_grad_(False), x, "layer4", ClassifierOutputTarget)


def theirs(a: Tensor, concepts: int) -> tuple[Array, float]:
    """Its maps, and what it leaves unexplained of the activations less their channels' minima."""
    looks, maps = theirs_of(a.detach().numpy().copy(), concepts)
    rows, low = shifted(a)
    remade = (looks - low[:, None]) @ maps.transpose(1, 0, 2, 3).reshape(concepts, -1)
    return maps, float(np.linalg.norm(rows - remade) / np.linalg.norm(rows))


def shifted(a: Tensor) -> tuple[Array, Array]:
    rows = a.detach().transpose(0, 1).flatten(1).numpy()
    low = rows.min(1)
    return rows - low[:, None], low


def ours(a: Tensor, concepts: int) -> tuple[Tensor, float]:
    view = made_view(a.detach(), needs=Needs(scores=False))
    method = Registry().find("method", "dff").cls(concepts=concepts, negative="shift")
    maps = method.explain(view)
    rows, _ = shifted(a)
    lengths = np.linalg.norm(rows.reshape(len(rows), len(a), -1), axis=(0, 2))
    left = view.numbers["error"][:, 0].numpy() * lengths
    return maps, float(np.linalg.norm(left) / np.linalg.norm(lengths))


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize("layer", ["layer2", "layer2.1.conv2"])
@pytest.mark.parametrize("concepts", [2, 4])
def test_dff_given_its_shift_leaves_no_more_than_pytorch_grad_cams(layer: str, concepts: int) -> None:
    """Factorizations have many minima, and the two start apart: what can be compared is how much is left.

    Behind a ReLU, and before a sum where activations are signed.
    """
    model, x = subject()
    activations: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, args, output: activations.append(output.clone())
    )
    model(x)
    handle.remove()
    maps, left = ours(activations[0], concepts)
    peer, remaining = theirs(activations[0], concepts)
    assert maps.shape == peer.shape
    assert left <= 1.01 * remaining


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_dff_finds_the_same_parts_as_pytorch_grad_cam_where_there_is_but_one_minimum() -> None:
    """One concept is the leading singular vectors, whatever the start."""
    model, x = subject()
    activations: list[Tensor] = []
    handle = model.get_submodule("layer2").register_forward_hook(
        lambda module, args, output: activations.append(output.clone())
    )
    model(x)
    handle.remove()
    maps, _ = ours(activations[0], 1)
    peer = torch.from_numpy(theirs(activations[0], 1)[0])
    assert distance(maps / maps.amax(), peer / peer.amax()) <= 1e-3
