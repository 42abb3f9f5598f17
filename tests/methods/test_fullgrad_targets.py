"""FullGrad where the target bends: Eq. 4 does not hold, whatever the model, and it says so."""

from __future__ import annotations

from typing import Any

import pytest

import xaikit
from helpers.nets import Spec
from xaikit import ConfigError


@pytest.mark.parametrize(
    "target", ["softmax", "rest", {"use": "similarity", "to": [1.0, -2.0, 0.5]}], ids=["softmax", "rest", "similarity"]
)
def test_a_target_that_bends_is_named_before_the_model(target: Any) -> None:
    net, x = Spec().build()
    expected = (
        r"of the largest term left over: the target is no linear function of the output \(softmax, rest, similarity\), "
        "or this model adds by what is no module .*; explain a logit, or take another method"
    )
    with pytest.raises(ConfigError, match=expected):
        xaikit.explain(net, x, "fullgrad", target=target)
    assert xaikit.explain(net, x, "fullgrad", target=0)["fullgrad"].map.any()
