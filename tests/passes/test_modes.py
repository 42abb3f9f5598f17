"""Modes of modules for the length of a pass: all evaluate, or each is as it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Plain, Stochastic, images, seeded
from helpers.own_maps import own_maps
from helpers.untouched import untouched
from xaikit.errors import ConfigError
from xaikit.passes import modes
from xaikit.passes.modes import switched, trained_inside


class Normalizing(Plain):
    """Batch normalization behind the first layer, and no dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def features(self, x: Tensor) -> Tensor:
        return self.act2(self.conv2(self.norm(self.act1(self.conv1(x)))))


class Recurrent(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 4, num_layers=2, dropout=0.5, batch_first=True)

    def features(self, x: Tensor) -> Tensor:
        return self.lstm(super().features(x).mean(2).transpose(1, 2))[0].transpose(1, 2).unsqueeze(2)


def reasons(explanation: xaikit.Explanation) -> set[str]:
    return {remark.reason for remark in explanation.warnings}


def test_as_is_takes_the_statistics_of_the_batch_and_leaves_the_running_ones() -> None:
    model, x = seeded(Normalizing), images(3, 2, 8, 7)
    model.norm.train()
    with untouched(model, x):
        explanation = xaikit.explain(model, x, layers="conv1", target=1, mode="as_is")["gradcam"]
    assert torch.allclose(
        explanation.maps["conv1"], own_maps(model, x, "conv1", lambda y: y[:, 1]), rtol=1e-9, atol=1e-12
    )
    assert any("depend on each other" in reason for reason in reasons(explanation))
    evaluated = xaikit.explain(seeded(Normalizing), x, layers="conv1", target=1)["gradcam"]
    assert not torch.allclose(explanation.maps["conv1"], evaluated.maps["conv1"])


def test_what_trains_inside_a_model_that_evaluates_is_remarked() -> None:
    model, x = seeded(Normalizing), images()
    plain = xaikit.explain(model, x, layers="conv1", target=1)["gradcam"]
    assert plain.warnings == ()
    model.norm.train()
    explanation = xaikit.explain(model, x, layers="conv1", target=1)["gradcam"]
    assert torch.equal(explanation.maps["conv1"], plain.maps["conv1"])
    (reason,) = reasons(explanation)
    assert reason == (
        "evaluation mode, also for norm, which trained inside a model that evaluates: mode as_is leaves them so"
    )
    assert xaikit.explain(model.train(), x, layers="conv1", target=1)["gradcam"].warnings == ()


def test_as_is_drops_what_the_model_itself_would_drop_next() -> None:
    model, x = seeded(Stochastic), images()
    model.drop.train()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        with untouched(model, x):
            explanation = xaikit.explain(model, x, layers="norm", target=1, mode="as_is")["gradcam"]
        scores = model(x)[:, 1]
    assert torch.equal(explanation.scores, scores.detach())
    assert not torch.equal(explanation.scores, seeded(Stochastic)(x)[:, 1].detach())


def test_another_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="mode: expected one of eval, as_is, got 'train'"):
        xaikit.explain(seeded(Plain), images(), layers="conv1", mode="train")  # type: ignore[arg-type]


def test_a_list_of_what_trains_is_of_modules_without_children() -> None:
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Dropout()), nn.Dropout()).eval()
    model[0].train()
    assert trained_inside(model) == ["0.0", "0.1"]
    assert trained_inside(model.train()) == []


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_an_rnn_on_cuda_trains_without_dropout_which_is_the_same_function(monkeypatch: Any, dropout: float) -> None:
    model, x = seeded(Recurrent), images()
    model.lstm.dropout = dropout
    expected = xaikit.explain(model, x, layers="act2", target=1)["gradcam"]
    monkeypatch.setattr(modes, "_is_on_cuda", lambda module: True)
    with untouched(model):
        with switched(list(model.modules()), "eval"):
            assert (model.lstm.training, model.lstm.dropout) == (True, 0.0)
        with switched([model.lstm.train()], "as_is"):
            assert (model.lstm.training, model.lstm.dropout) == (True, dropout)
        model.lstm.eval()
    with untouched(model, x):
        explanation = xaikit.explain(model, x, layers="act2", target=1)["gradcam"]
    assert torch.equal(explanation.maps["act2"], expected.maps["act2"])
