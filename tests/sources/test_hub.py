import sys
from urllib.error import URLError

import pytest
import torch
from torch import nn

import xaikit
from xaikit import ConfigError
from xaikit.bench.fingerprint import architecture_of
from xaikit_sources.hub import HubModel

HUBCONF = """
from __future__ import annotations
from dataclasses import dataclass
import torch
from torch import nn
from parts import Head

dependencies = ["torch"]

@dataclass
class Size:
    outputs: int = 3

class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.head = Head(4, outputs)

    def forward(self, x):
        return self.head(self.features(x).relu().mean((2, 3)))

def net(outputs=3):
    return Net(Size(outputs).outputs)

def number():
    return 3

def broken():
    raise KeyError("depth")
"""
PARTS = "from torch import nn\nclass Head(nn.Linear):\n    scale = 1\n"


@pytest.fixture
def repo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "repo")


def write(folder, hubconf=HUBCONF, parts=PARTS):
    folder.mkdir(exist_ok=True)
    (folder / "hubconf.py").write_text(hubconf)
    (folder / "parts.py").write_text(parts)
    return folder


@pytest.fixture
def offline(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))


@pytest.mark.parametrize("path", ["./repo", "repo", "{tmp}/repo"])
def test_a_folder(repo, offline, path):
    opened = HubModel(path.format(tmp=repo.parent), "net", {"outputs": 5}).open()
    assert opened.module(torch.rand(2, 3, 8, 8)).shape == (2, 5)
    assert not opened.module.training
    assert (opened.transform, opened.classes, opened.wnids) == (None, None, None)
    assert opened.origin.endswith("repo net, seed 0")


def test_it_is_explained(repo):
    opened = HubModel("./repo", "net").open()
    explanation = xaikit.explain(opened.module, torch.rand(2, 3, 8, 8), "gradcam")["gradcam"]
    assert {name: tuple(one.shape) for name, one in explanation.maps.items()} == {"features": (2, 6, 6)}


def test_weights_come_from_the_seed_alone(repo):
    before = torch.get_rng_state()
    first, second, other = (HubModel("./repo", "net", seed=seed).open().module.head.weight for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_weights_from_a_file(repo):
    state = {
        name: torch.full_like(value, 0.5)
        for name, value in HubModel("./repo", "net").open().module.state_dict().items()
    }
    torch.save({"state_dict": state}, "mine.pth")
    opened = HubModel("./repo", "net", weights="mine.pth").open()
    assert torch.equal(opened.module.head.weight, state["head.weight"])
    assert opened.origin == "mine.pth"
    with pytest.raises(ConfigError, match=r"mine\.pth: the weights do not fit Net: 2 of another shape \(head\.weight"):
        HubModel("./repo", "net", {"outputs": 7}, weights="mine.pth").open()


def test_two_repositories_have_parts_of_one_name(repo, tmp_path):
    write(tmp_path / "other", parts=PARTS.replace("scale = 1", "scale = 2"))
    scales = [HubModel(path, "net").open().module.head.scale for path in ("./repo", "./other", "./repo")]
    assert scales == [1, 2, 1]


def test_an_edited_folder_is_read_again_and_is_another_architecture(repo):
    first = architecture_of(HubModel("./repo", "net").open().module)
    assert architecture_of(HubModel("./repo", "net").open().module) == first
    write(repo, hubconf=HUBCONF.replace(".relu()", ".tanh()"))
    second = architecture_of(HubModel("./repo", "net").open().module)
    write(repo, hubconf=HUBCONF.replace(".relu()", ".tanh()"), parts=PARTS.replace("scale = 1", "scale = 12"))
    third = HubModel("./repo", "net").open().module
    assert third.head.scale == 12
    assert len({first, second, architecture_of(third)}) == 3


def test_the_path_of_imports_is_as_before_and_of_modules_its_own_alone_are_left(repo):
    path, modules = list(sys.path), set(sys.modules)
    HubModel("./repo", "net").open()
    assert sys.path == path
    assert set(sys.modules) - modules <= {"hubconf.py", "parts"}
    with pytest.raises(ConfigError):
        HubModel("./repo", "broken").open()
    assert sys.path == path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repo": "./rep", "name": "net"}, r"there is no 'rep/hubconf\.py'; in '.*': did you mean 'repo'"),
        ({"repo": "./repo", "name": "nett"}, r"'\./repo' 'nett': there is no entry 'nett'; did you mean 'net'"),
        ({"repo": "./repo", "name": "number"}, r"expected a torch\.nn\.Module, got int"),
        ({"repo": "./repo", "name": "broken"}, r"KeyError: 'depth'"),
        ({"repo": "./repo", "name": "net", "kwargs": {"depth": 3}}, r"TypeError: .*depth"),
        ({"repo": "./repo", "name": "net", "kwargs": {"source": "github"}}, r"TypeError: .*source"),
        ({"repo": "./repo", "name": "net", "weights": "mine.pth"}, r"weights: there is no 'mine\.pth'"),
        ({"repo": "./bare", "name": "net"}, r"RuntimeError: Missing dependencies: nowhere_to_be_found"),
    ],
)
def test_faults_are_named(repo, tmp_path, options, message):
    write(tmp_path / "bare", hubconf='dependencies = ["nowhere_to_be_found"]\n')
    with pytest.raises(ConfigError, match=message):
        HubModel(**options).open()


def test_code_of_github_runs_only_where_it_is_trusted(repo, offline, tmp_path):
    with pytest.raises(
        ConfigError, match=r"runs code of github\.com/pytorch/vision; if you trust it, write trust: true"
    ):
        HubModel("pytorch/vision:v0.10.0", "resnet18").open()
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize("name", ["pytorch/vision:v0.10.0", "pytorch/vision"])
def test_no_network(repo, offline, name):
    with pytest.raises(ConfigError) as caught:
        HubModel(name, "resnet18", trust=True).open()
    assert str(caught.value).startswith(f"model hub {name!r} 'resnet18': ")
    assert str(caught.value).endswith(
        "; clone github.com/pytorch/vision where there is a network and write repo: ./FOLDER"
    )


def test_github_from_the_cache(repo, offline, tmp_path):
    (tmp_path / "hub").mkdir()
    write(tmp_path / "hub" / "someone_nets_v1")
    opened = HubModel("someone/nets:v1", "net", trust=True).open()
    assert isinstance(opened.module.head, nn.Linear)
    assert opened.origin == "hub someone/nets:v1 net"
