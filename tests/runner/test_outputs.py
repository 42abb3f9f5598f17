"""Several heads of one model in one run: each method explains the part of the output that it says."""

from __future__ import annotations

from pathlib import Path

import torch

import xaikit
from helpers.runs import config

HEADS = """
from torch import nn

class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3, 2), nn.ReLU())
        self.age, self.kind = nn.Linear(5, 4), nn.Linear(5, 3)

    def forward(self, x):
        pooled = self.body(x).mean((2, 3))
        return {"age": self.age(pooled), "kind": self.kind(pooled)}

def two_heads():
    import torch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TwoHeads()
"""


def test_each_head_is_explained_as_it_would_be_alone(tmp_path: Path) -> None:
    (tmp_path / "heads.py").write_text(HEADS)
    model = {"source": "importpath", "factory": f"{tmp_path}/heads.py:two_heads", "output": "age"}
    methods = {"age": {"use": "gradcam"}, "kind": {"use": "gradcam", "output": "kind"}}
    both = xaikit.run(config(tmp_path, model=model, methods=methods, layers=["body"], target=1))
    alone = xaikit.run(
        config(tmp_path, model=model, methods="gradcam", layers=["body"], target=1, report={"to": str(tmp_path / "b")}),
        ["model.output=kind"],
    )
    for image in both.images:
        torch.testing.assert_close(both.maps(image, "kind")["body"], alone.maps(image, "gradcam")["body"])
        assert not torch.allclose(both.maps(image, "kind")["body"], both.maps(image, "age")["body"])
    assert both.counts["forwards"] == alone.counts["forwards"]
