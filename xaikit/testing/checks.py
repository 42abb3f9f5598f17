"""What a check is: a name, something to do, and a failure that says what was expected, what was found, and how to see it
again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class CheckFailed(AssertionError):
    """A promise of the contract that is not kept."""


@dataclass(frozen=True)
class Check:
    """One independent check of one plugin; call it. ``str(check)`` is its name.

    command  that runs this check alone
    """

    name: str
    command: str
    work: Callable[[], None]

    def __call__(self) -> None:
        """Run it.

        Raises:
            CheckFailed: with what was expected and found.
        """
        try:
            self.work()
        except CheckFailed as error:
            raise CheckFailed(f"{self.name}: {error}\n  again: {self.command}") from error.__cause__
        except Exception as error:
            raise CheckFailed(
                f"{self.name}: expected it to work, got {type(error).__name__}: {error}\n  again: {self.command}"
            ) from error

    @property
    def __name__(self) -> str:
        # what pytest shows as the id of a parametrized test
        return self.name

    def __str__(self) -> str:
        return self.name


def expect(holds: bool, said: str) -> None:
    """Raises CheckFailed unless it holds."""
    if not holds:
        raise CheckFailed(said)


def expect_close(found: Tensor, expected: Tensor, tolerance: float, said: str) -> None:
    """Equal shapes, and equal numbers to a share of the largest; NaN equals NaN."""
    expect(found.shape == expected.shape, f"{said}: expected shape {tuple(expected.shape)}, got {tuple(found.shape)}")
    far = distance(found, expected)
    expect(
        far <= tolerance, f"{said}: expected a difference of at most {tolerance:g} of the largest value, got {far:.2g}"
    )


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference in units of the largest magnitude; 0 where both are zero everywhere."""
    if torch.equal(torch.nan_to_num(one, nan=1e300), torch.nan_to_num(other, nan=1e300)):
        return 0.0
    scale = torch.maximum(one.abs().amax(), other.abs().amax())
    return float((one - other).abs().amax() / scale)


def shown(value: Any) -> str:
    """A value in a message, cut to one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
