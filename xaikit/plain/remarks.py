"""What is noticed about maps, in words, and for which finish it holds."""

from __future__ import annotations

NOT_FINITE = "values that are NaN or infinite"
TOO_LARGE = "values that float32 does not hold, kept as infinite"
ZERO_ACTIVATIONS = "zero activations"
ZERO_GRADIENTS = "zero gradients"
ZERO_HALF_GRADIENTS = (
    "zero gradients in float16, which holds nothing below 6e-8: explain in float32 or bfloat16, or a larger score"
)
ONE_PLACE = "one place alone: its map is the same everywhere, whatever it says; name a layer with more places"
NEGATIVE_GRADIENTS = "all-negative gradients: nothing is left of them"
ALL_NEGATIVE = "all-negative evidence: nothing is left after rectifying"
CONSTANT = "constant map: every place matters the same"
ZERO_MAP = "zero map: the evidence cancels"
DEAD = (
    *(NOT_FINITE, TOO_LARGE, ZERO_ACTIVATIONS, ZERO_GRADIENTS, ZERO_HALF_GRADIENTS, ONE_PLACE, NEGATIVE_GRADIENTS),
    *(ALL_NEGATIVE, CONSTANT, ZERO_MAP),
)
"""Reasons why a map says nothing."""


def is_dead(remark: str) -> bool:
    """Whether a remark says that a map says nothing.

    >>> is_dead("layer4: zero gradients (2 times)"), is_dead("layer4: the biases are left out")
    (True, False)
    """
    return any(reason in remark for reason in DEAD)


def holds_for(remark: str, drops_negative: bool) -> bool:
    """Whether a remark that was noted for any finish is one for a finish that drops what is negative, or does not.

    Only evidence that is negative all over depends on it: its map is black where what is negative is dropped.
    """
    return drops_negative or ALL_NEGATIVE not in remark
