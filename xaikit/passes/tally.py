"""What passes cost, counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """What has been computed so far.

    forwards        passes of the model, of a batch or of a chunk of variants
    gradient_calls  calls of ``autograd.grad``
    reruns          the passes among the forwards that a method asked for
    halvings        how often memory ran out and a chunk was halved
    """

    forwards: int = 0
    gradient_calls: int = 0
    reruns: int = 0
    halvings: int = 0
