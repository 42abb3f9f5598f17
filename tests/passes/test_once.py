"""What is known of a model is known for the model as it is, and for inputs of that shape and mode."""

from __future__ import annotations

import torch
from torch import nn

from helpers.hard_nets import Plain, images, seeded
from xaikit.passes.once import ran_once


def test_what_ran_once_is_known_until_the_model_changes() -> None:
    model, x = seeded(Plain), images()
    ran_once(model, x, "eval").add("conv1")
    assert ran_once(model, x.clone(), "eval") == {"conv1"}
    assert ran_once(model, x, "as_is") == set()
    assert ran_once(model, x[:1], "eval") == set()
    assert ran_once(model, x, "eval") == {"conv1"}
    model.times = 2  # type: ignore[assignment]
    assert ran_once(model, x, "eval") == set()


def test_a_model_whose_changes_nobody_sees_is_not_known() -> None:
    with torch.inference_mode():
        model = nn.Linear(2, 2)
    ran_once(model, torch.ones(1, 2), "eval").add("")
    assert ran_once(model, torch.ones(1, 2), "eval") == set()
