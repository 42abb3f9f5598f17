import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from xaikit import ConfigError
from xaikit_sources._weights import build, file_of, is_file, is_none, load_state, read_state

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1.0, 2.0])}


def same(state):
    return state.keys() == STATE.keys() and all(torch.equal(state[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("suffix", ["pth", "pt"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model_state_dict": state},
        lambda state: {f"module.{name}": value for name, value in state.items()},
    ],
)
def test_pickled_state_dicts(tmp_path, suffix, wrap):
    torch.save(wrap(STATE), tmp_path / f"net.{suffix}")
    assert same(read_state(str(tmp_path / f"net.{suffix}"), "model"))


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "net.safetensors")
    assert same(read_state(str(tmp_path / "net.safetensors"), "model"))


class Mark:
    """Its unpickling would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (self.path.write_text, ("ran",))


def test_code_in_a_file_is_not_run(tmp_path):
    file = tmp_path / "evil.pth"
    torch.save({"weight": Mark(tmp_path / "ran")}, file)
    with pytest.raises(ConfigError, match=r"model: weights: expected a state dict in '.*evil\.pth'.* UnpicklingError"):
        read_state(str(file), "model")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("held", [[1, 2], 3, {}, {"weight": 3}, {"state_dict": {}}])
def test_other_things_in_a_file(tmp_path, held):
    torch.save(held, tmp_path / "net.pth")
    with pytest.raises(ConfigError, match=r"expected a state dict \(names to tensors\), got"):
        read_state(str(tmp_path / "net.pth"), "model")


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("data", [b"", b"hello", pickle.dumps({"a": 1})[:5]])
def test_damaged_files(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=rf"expected a state dict in '.*{name}'") as caught:
        read_state(str(tmp_path / name), "model")
    assert caught.value.__cause__ is not None


def test_absent_file(tmp_path):
    torch.save(STATE, tmp_path / "net.pth")
    with pytest.raises(
        ConfigError, match=r"model: weights: there is no '.*nett\.pth'; in '.*': did you mean 'net\.pth'"
    ):
        read_state(str(tmp_path / "nett.pth"), "model")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigError, match=rf"model: weights: expected a file, got the folder '{tmp_path}'"):
        read_state(str(tmp_path), "model")


LIGHTNING = {"state_dict": {**{f"model.{name}": value for name, value in STATE.items()}, "loss.weight": torch.ones(2)}}


@pytest.mark.parametrize(
    ("held", "chosen"),
    [
        (LIGHTNING, {"prefix": "model."}),
        ({"ema": STATE, "model": {"weight": torch.zeros(2, 3)}}, {"key": "ema"}),
        ({"ema": {f"net.{name}": value for name, value in STATE.items()}}, {"key": "ema", "prefix": "net."}),
    ],
)
def test_a_part_of_a_checkpoint(tmp_path, held, chosen):
    torch.save(held, tmp_path / "net.ckpt")
    assert same(read_state({"file": str(tmp_path / "net.ckpt"), **chosen}, "model"))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"prefix": "modell."}, r"prefix: no name begins with 'modell\.'; did you mean 'model\.'\?"),
        ({"key": "state_dic"}, r"key: expected a state dict under 'state_dic'; did you mean 'state_dict'\?"),
        ({"prefx": "model."}, r"weights: expected file, key and prefix, got 'prefx'; did you mean 'prefix'\?"),
    ],
)
def test_a_part_that_is_not_there(tmp_path, chosen, message):
    torch.save(LIGHTNING, tmp_path / "net.ckpt")
    with pytest.raises(ConfigError, match=message):
        read_state({"file": str(tmp_path / "net.ckpt"), **chosen}, "model")


def test_a_mapping_without_a_file():
    with pytest.raises(ConfigError, match=r"model: weights: expected a file, got prefix; add file: net\.pth"):
        file_of({"prefix": "model."}, "model")


@pytest.mark.parametrize("prefix", ["model.", "net.", "_orig_mod.", "model._orig_mod.module."])
def test_what_wrappers_put_before_all_names_is_taken_off(prefix):
    layer = nn.Linear(3, 2)
    load_state(layer, {f"{prefix}{name}": value for name, value in STATE.items()}, "model")
    assert torch.equal(layer.weight, STATE["weight"])


def test_a_module_whose_names_begin_so_keeps_them():
    wrapped = nn.Module()
    wrapped.model = nn.Linear(3, 2)
    load_state(wrapped, {f"model.{name}": value for name, value in STATE.items()}, "model")
    assert torch.equal(wrapped.model.weight, STATE["weight"])


def test_weights_behind_a_prefix_among_others_name_it():
    message = r"2 missing .*; 3 unknown .*; the file has all of them behind 'model\.': write weights: \{file: "
    with pytest.raises(ConfigError, match=message):
        load_state(nn.Linear(3, 2), LIGHTNING["state_dict"], "model")


def test_load_state_fills_every_tensor():
    layer = nn.Linear(3, 2)
    load_state(layer, STATE, "model")
    assert torch.equal(layer.weight, STATE["weight"])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": STATE["weight"]}, r"1 missing \(bias\)$"),
        ({**STATE, "extra": STATE["bias"]}, r"1 unknown \(extra\)$"),
        ({**STATE, "bias": torch.ones(5)}, r"1 of another shape \(bias: expected \(2,\), got \(5,\)\)$"),
        ({name: STATE["bias"] for name in "abcd"}, r"2 missing \(weight, bias\); 4 unknown \(a, b, c, \.\.\.\)$"),
    ],
)
def test_weights_that_do_not_fit(state, message):
    with pytest.raises(ConfigError, match=rf"^model: the weights do not fit Linear: {message}"):
        load_state(nn.Linear(3, 2), state, "model")


def test_old_files_without_batch_counts_fit():
    norm = nn.BatchNorm2d(2)
    old = {name: value for name, value in norm.state_dict().items() if name != "num_batches_tracked"}
    load_state(norm, old, "model")


def test_build_is_reproducible_and_leaves_the_global_numbers_alone():
    before = torch.get_rng_state()
    first, second, other = (build("model", seed, lambda: nn.Linear(3, 2).weight) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_build_reports_what_was_raised():
    before = torch.get_rng_state()

    def fail():
        torch.rand(1)
        raise KeyError("depth")

    with pytest.raises(ConfigError, match=r"^model: KeyError: 'depth'$") as caught:
        build("model", 0, fail)
    assert isinstance(caught.value.__cause__, KeyError)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_file_of_any_ending_is_a_file_where_it_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.ckpt").touch()
    assert [is_file(text) for text in ("net.ckpt", "none.ckpt")] == [True, False]


def test_what_an_option_means():
    assert [is_file(text) for text in ("a.pth", "x/y", "a.safetensors", "DEFAULT", "IMAGENET1K_V1")] == [
        True, True, True, False, False
    ]  # fmt: skip
    assert [is_none(text) for text in (None, "none", "None", "DEFAULT")] == [True, True, True, False]
