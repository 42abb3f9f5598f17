"""How far two maps, and two records, are apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from xaikit.record import Record


def distance(a: Tensor, b: Tensor) -> float:
    """The largest |a - b| of maps (T, *S) of one shape, for each of the T in units of the largest finite |x| of either.

    NaN equals NaN, and infinity itself; beside any other value they are infinitely far.
    """
    a, b = a.double().flatten(1), b.double().flatten(1)
    same = (a == b) | (a.isnan() & b.isnan())
    finite = a.isfinite() & b.isfinite()
    if not bool((same | finite).all()):
        return math.inf
    apart = (a - b).abs().where(~same, 0)
    unit = torch.maximum(_largest(a), _largest(b))
    shares = apart / unit.where(unit > 0, 1)
    return float(shares.max()) if shares.numel() else 0.0


def _largest(values: Tensor) -> Tensor:
    """The largest finite |x| of each row, (T, 1)."""
    finite = values.abs().where(values.isfinite(), 0)
    return finite.amax(1, keepdim=True) if finite.shape[1] else finite.new_zeros(len(finite), 1)


def told_apart(a: Sequence[Record], b: Sequence[Record], tolerance: float) -> Iterator[str]:
    """What differs between the records of one photograph by one trial, one line each; seconds do not count.

    Scores are compared relative to max(1, |score|), probabilities as they are.
    """
    ours, its = ({record.column: record for record in records} for records in (a, b))
    if ours.keys() != its.keys():
        yield f"targets: {len(ours)} and {len(its)}"
    for column in sorted(ours.keys() & its.keys()):
        one, other = ours[column], its[column]
        at = "" if len(ours) == 1 else f" of target {column}"
        if not close(one.score, other.score, tolerance):
            yield f"score{at}: {one.score:.6g} and {other.score:.6g}"
        if not close(one.probability, other.probability, tolerance):
            yield f"probability{at}: {one.probability} and {other.probability}"
        for key in ("target", "prediction", "warnings"):
            if getattr(one, key) != getattr(other, key):
                yield f"{key}{at}: {getattr(one, key)} and {getattr(other, key)}"


def close(a: float | None, b: float | None, tolerance: float) -> bool:
    """Whether |a - b| is at most tolerance * max(1, |a|, |b|); None and NaN equal themselves alone."""
    if a is None or b is None:
        return a is b
    if a == b or (math.isnan(a) and math.isnan(b)):
        return True
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))
