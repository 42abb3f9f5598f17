"""AttnLRP and CP-LRP are LXT's, on the vision transformers that LXT can patch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

import xaikit
from helpers import lxt_peer

RAW = {"rectify": "none", "normalize": "none", "scale": "none", "resize": "none", "fuse": "none"}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tensor]:
    file = tmp_path_factory.mktemp("lxt") / "maps.pt"
    command = [sys.executable, "-m", "helpers.lxt_peer", str(file)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    maps: Mapping[str, Tensor] = torch.load(file)
    return maps


@pytest.mark.parametrize("method", lxt_peer.MODELS)
def test_relevance_is_theirs_but_for_what_they_add_to_divisors(method: str, theirs: Mapping[str, Tensor]) -> None:
    """LXT divides by x + 1e-10 where an activation function's x is, which is all that is left between them."""
    model = lxt_peer.MODELS[method]()
    explained = xaikit.explain(model, lxt_peer.images(), [method], layers="input", target=lxt_peer.CLASS, finish=RAW)
    assert torch.allclose(explained[method].maps["input"], theirs[method], rtol=1e-6, atol=1e-8)


def test_the_two_are_told_apart(theirs: Mapping[str, Tensor]) -> None:
    model, images = lxt_peer.transformers_vit(), lxt_peer.images()
    maps = xaikit.explain(model, images, ["cplrp"], layers="input", target=lxt_peer.CLASS, finish=RAW)["cplrp"].maps
    assert not torch.allclose(maps["input"], theirs["attnlrp"], rtol=1e-2, atol=1e-3)
