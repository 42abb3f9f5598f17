import sys

import pytest
import torch
from torch import nn

from xaikit import ConfigError
from xaikit_sources.importpath import ImportPath

NET = """
from dataclasses import dataclass
import torch
from torch import nn

@dataclass
class Size:
    outputs: int = 3

def factory(outputs=3, seed=None):
    return nn.Linear(2, Size(outputs).outputs)

def number():
    return 3

def broken():
    raise KeyError("depth")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def test_module_and_function():
    opened = ImportPath("torch.nn:Linear", {"in_features": 2, "out_features": 3}).open()
    assert isinstance(opened.module, nn.Linear)
    assert (opened.transform, opened.classes, opened.wnids) == (None, None, None)
    assert opened.origin == "torch.nn:Linear, seed 0"
    assert not opened.module.training


@pytest.mark.parametrize("path", ["./net.py", "net.py", "{folder}/net.py"])
def test_file_and_function(folder, path):
    factory = f"{path.format(folder=folder)}:factory"
    assert ImportPath(factory, {"outputs": 5, "seed": 7}).open().module.out_features == 5


def test_an_edited_file_is_read_again(folder):
    ImportPath("./net.py:factory").open()
    (folder / "net.py").write_text(NET.replace("outputs=3", "outputs=4"))
    assert ImportPath("./net.py:factory").open().module.out_features == 4


def test_weights_come_from_the_seed_alone(folder):
    before = torch.get_rng_state()
    first, second, other = (ImportPath("./net.py:factory", seed=seed).open().module.weight for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_weights_from_a_file(folder):
    state = {"weight": torch.arange(6.0).reshape(3, 2), "bias": torch.zeros(3)}
    torch.save(state, "mine.pth")
    opened = ImportPath("./net.py:factory", weights="mine.pth").open()
    assert torch.equal(opened.module.weight, state["weight"])
    assert opened.origin == "mine.pth"


def test_a_module_of_a_folder_is_found_there_whatever_else_has_its_name(tmp_path):
    for name, outputs in (("one", 2), ("two", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sizes.py").write_text(f"outputs = {outputs}\n")
        (tmp_path / name / "mynets.py").write_text(
            "import torch\nfrom sizes import outputs\ndef make():\n    return torch.nn.Linear(2, outputs)\n"
        )
    before = dict(sys.modules)
    try:
        assert ImportPath(f"{tmp_path}/one/mynets:make").open().module.out_features == 2
        del sys.modules["sizes"]
        assert ImportPath(f"{tmp_path}/two/mynets:make").open().module.out_features == 3
    finally:
        for name in sys.modules.keys() - before.keys():
            del sys.modules[name]
        sys.path[:] = [place for place in sys.path if not place.startswith(str(tmp_path))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factory": "nowhere.models:net"}, r"'nowhere\.models:net': ModuleNotFoundError: No module named 'nowhere'"),
        ({"factory": "torch.nn:Linearr"}, r"torch\.nn has no function 'Linearr'; did you mean 'Linear'"),
        ({"factory": "./nett.py:factory"}, r"there is no '\./nett\.py'; in '.*': did you mean 'net\.py'"),
        ({"factory": "./net.py:factry"}, r"\./net\.py has no function 'factry'; did you mean 'factory'"),
        ({"factory": "./bad.py:factory"}, r"SyntaxError"),
        ({"factory": "./net.py:number"}, r"expected a torch\.nn\.Module, got int"),
        ({"factory": "./net.py:broken"}, r"KeyError: 'depth'"),
        ({"factory": "./net.py:factory", "kwargs": {"depth": 3}}, r"TypeError: .*depth"),
        ({"factory": "./net.py:factory", "weights": "mine.pth"}, r"weights: there is no 'mine\.pth'"),
    ],
)
def test_faults_are_named(folder, options, message):
    (folder / "bad.py").write_text("def factory(:\n")
    with pytest.raises(ConfigError, match=message):
        ImportPath(**options).open()


@pytest.mark.parametrize("factory", ["torch.nn", ":net", "net:", "net.py:a b"])
def test_a_factory_has_two_parts(factory):
    with pytest.raises(ValueError, match=r"factory: expected 'pkg\.module:factory' or './file\.py:factory', got"):
        ImportPath(factory)
