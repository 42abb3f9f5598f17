"""DFF: the parts that a batch of images shares, by a factorization of its activations (Collins et al. 2018, ECCV)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.view import View

Negative = Literal["clip", "shift"]
SETTLED = 1e-4
NOTHING = 1e-5
"""Of the largest number of a singular vector: below it lies what is zero but for rounding."""


@dataclass(frozen=True)
class DFF:
    """min |A - W H|_F with W, H >= 0, Eq. 4: A has a row for every place of every image and a column for every channel,
    a column of W is the map of one concept, and its row of H is what the concept looks like in channels.

    The images of a batch are factorized together: concept k is the same thing in all of them, and another batch has
    other concepts. Maps stand on the axis of targets, (N, concepts, *S), whatever the target: no class plays a part.
    Concepts are ordered by how much they explain; rows of H have length 1, so that maps are in units of activations.

    By multiplicative updates (Lee and Seung 2001) from singular vectors (Boutsidis and Gallopoulos 2008, with the mean
    instead of zeros, which updates could not leave): nothing is drawn. How much of an image stays unexplained,
    |A - W H|_F / |A|_F, is in the explanation as ``numbers["error"]``; where the last update still changed W H by more
    than 1e-4 the sample is remarked on. Places that are not finite take no part and are NaN.

    Cost: one forward that stops at the layer, and the updates: iterations x places x channels x concepts.

    Fails: with more concepts than the batch has parts, one part is shared out to several; a batch of one image finds
    its colours rather than parts. Least squares favour what is large. In a run each batch has concepts of its own: put
    all images into one batch to compare them, and begin a new folder where images are added.

    Peers: pytorch-grad-cam's DeepFeatureFactorization starts from random numbers (``negative: shift`` gives its problem;
    its solution is another local minimum of about the same error), and puts the channels' minima back into H. TorchCAM
    and Captum have none.

    concepts    how many maps
    iterations  updates of W and H
    negative    clip: what is below zero is zero, as behind the ReLU of the paper's layers
                shift: the minimum of every channel over the batch is subtracted, as pytorch-grad-cam does on any layer
    """

    concepts: int = 4
    iterations: int = 400
    negative: Negative = "clip"

    needs: ClassVar[Needs] = Needs(scores=False)
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def __post_init__(self) -> None:
        if self.concepts < 1:
            raise ValueError(f"concepts: expected at least 1, got {self.concepts}")
        if self.iterations < 1:
            raise ValueError(f"iterations: expected at least 1, got {self.iterations}")
        if self.negative not in get_args(Negative):
            raise ValueError(f"negative: expected one of {', '.join(get_args(Negative))}, got {self.negative!r}")

    @property
    def parts(self) -> int:
        """Maps that stand on the axis of targets."""
        return self.concepts

    def explain(self, view: View) -> Tensor:
        """The maps (N, concepts, *S)."""
        activations = view.activations.squeeze(1)
        samples, channels, *space = activations.shape
        rows = activations.flatten(2).transpose(1, 2).reshape(-1, channels)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        finite = rows.isfinite().all(1, keepdim=True)
        rows = rows.where(finite, 0)
        rows = rows.clamp_min(0) if self.negative == "clip" else (rows - _least(rows, finite)).where(finite, 0)
        peak = rows.amax()
        rows = rows / peak.where(peak > 0, 1)
        maps, looks, before = self._factors(rows)
        error = _length(rows - maps @ looks, samples)
        view.number("error", _ratio(error, _length(rows, samples)))
        change = _length(maps @ looks - before, samples)
        view.warn("not settled: take more iterations", change > SETTLED * _length(rows, samples))
        saliency = (maps * peak).where(finite, torch.nan)
        return saliency.reshape(samples, -1, self.concepts).transpose(1, 2).reshape(samples, self.concepts, *space)

    def _factors(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """W (rows, concepts) and H (concepts, channels), and W H before the last update."""
        maps, looks = _singular(rows, self.concepts)
        for _ in range(self.iterations - 1):
            maps, looks = _updated(rows, maps, looks)
        before = maps @ looks
        maps, looks = _updated(rows, maps, looks)
        length = torch.linalg.vector_norm(looks, dim=1)
        maps, looks = maps * length, _ratio(looks, length.unsqueeze(1))
        order = torch.linalg.vector_norm(maps, dim=0).argsort(descending=True, stable=True)
        return maps[:, order], looks[order], before


def _least(rows: Tensor, finite: Tensor) -> Tensor:
    """Of every channel, over the places that are finite."""
    low = rows.where(finite, torch.inf).amin(0)
    return low.where(low.isfinite(), 0)


def _updated(rows: Tensor, maps: Tensor, looks: Tensor) -> tuple[Tensor, Tensor]:
    looks = looks * _ratio(maps.mT @ rows, maps.mT @ maps @ looks)
    return maps * _ratio(rows @ looks.mT, maps @ (looks @ looks.mT)), looks


def _singular(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Where to start: of every pair of singular vectors the parts of one sign that weigh more; the mean where zero."""
    wide = rows.shape[0] < rows.shape[1]
    values, vectors = torch.linalg.eigh(rows @ rows.mT if wide else rows.mT @ rows)
    vectors = vectors[:, -count:].flip(1)
    lengths = values[-count:].flip(0).clamp_min(0).sqrt()
    others = _ratio((rows.mT if wide else rows) @ vectors, lengths)
    left, right = (vectors, others) if wide else (others, vectors)
    sides = []
    for sign in (1, -1):
        u, v = (sign * left).clamp_min(0), (sign * right).clamp_min(0)
        a, b = torch.linalg.vector_norm(u, dim=0), torch.linalg.vector_norm(v, dim=0)
        grown = (lengths * a * b).sqrt()
        sides.append((a * b, _ratio(u, a) * grown, _ratio(v, b) * grown))
    (mass, u, v), (other, w, z) = sides
    maps, looks = u.where(mass >= other, w), v.where(mass >= other, z)
    # more concepts than vectors: the rest start alike
    pad = (0, count - maps.shape[1])
    maps, looks = torch.nn.functional.pad(maps, pad), torch.nn.functional.pad(looks, pad)
    return _filled(maps, rows.mean()), _filled(looks, rows.mean()).mT


def _filled(vectors: Tensor, mean: Tensor) -> Tensor:
    return vectors.where(vectors > NOTHING * vectors.amax(0), mean)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Zero where there is nothing to divide by."""
    return (part / whole.where(whole != 0, 1)).where(whole != 0, 0)


def _length(rows: Tensor, samples: int) -> Tensor:
    """Of all that belongs to a sample, (N, 1)."""
    length: Tensor = torch.linalg.vector_norm(rows.reshape(samples, -1), dim=1, keepdim=True)
    return length


@hookimpl
def xaikit_method() -> type:
    return DFF
