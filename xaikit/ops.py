"""The small algebra that methods share, on evidence as a View gives it: (N, T, C, *S)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn.functional import conv1d

from xaikit._numeric import MODES, ROUNDINGS, exact, leading_eigenvector, surely
from xaikit.errors import ConfigError

if TYPE_CHECKING:
    from xaikit.view import View

__all__ = [
    "MODES",
    "blurred",
    "combine",
    "exact",
    "kernel_principal",
    "pool",
    "principal",
    "quadrature",
    "superpixels",
    "surely",
    "weigh",
]


def pool(evidence: Tensor, view: View) -> Tensor:
    """The mean over space: (N, T, C, *S) to (N, T, C)."""
    return evidence.mean(view.space)


def weigh(weights: Tensor, view: View) -> Tensor:
    """Activations summed with a weight a channel: (N, T, C) to the raw map (N, T, *S).

    Where a config says ``reduce: principal``, their first principal component in place of the sum, which takes noise out of
    it (pytorch-grad-cam's ``eigen_smooth``); see :func:`principal` for its sign.

    Weights and activations may be of unlike precision; the map is in the higher one.
    """
    view.mark_reduced()
    if view.reduce == "principal":
        return principal(weights.reshape(*weights.shape, *[1] * len(view.space)) * view.activations)
    dtype = torch.promote_types(weights.dtype, view.activations.dtype)
    activations = view.activations.squeeze(1).to(dtype)
    flat, weights = activations.flatten(2), weights.to(dtype)
    summed = weights @ flat

    def terms(place: Tensor) -> Tensor:
        return weights * flat.movedim(1, 2).gather(1, place.expand(-1, -1, flat.shape[1]))

    return _without_rounding(summed, terms, view).reshape(*weights.shape[:2], *activations.shape[2:])


def combine(products: Tensor, view: View) -> Tensor:
    """Evidence weighed element by element, summed over the channels: (N, T, C, *S) to the raw map (N, T, *S).

    With ``reduce: principal`` their first principal component, as in :func:`weigh`.
    """
    view.mark_reduced()
    if view.reduce == "principal":
        return principal(products)
    summed = products.sum(view.channel)

    def terms(place: Tensor) -> Tensor:
        return products.flatten(3).gather(3, place.unsqueeze(2).expand(-1, -1, products.shape[2], -1)).squeeze(3)

    return _without_rounding(summed.flatten(2), terms, view).reshape(summed.shape)


def _without_rounding(summed: Tensor, terms: Callable[[Tensor], Tensor], view: View) -> Tensor:
    """A map (N, T, P) of sums over channels, 0 with a warning where they cancel: what is left then is rounding.

    So it is where a layer normalization is all that reads a layer: it does not see a factor, hence sum_k g_k A_k = 0. It is
    enough to look at the place with the largest sum.

    Args:
        terms: what is summed at one place (N, T, 1) of each map, (N, T, C).
    """
    if summed.shape[2] == 0:
        return summed
    largest = summed.abs().amax(2)
    size = terms(summed.abs().argmax(2, keepdim=True)).abs().sum(2)
    cancelled = (largest < _slack(view.dtype) * size) & (largest > 0)
    view.warn("the sum over the channels cancels: what is left is rounding, and set to 0", cancelled)
    return summed.masked_fill(cancelled.unsqueeze(2), 0)


def _slack(dtype: torch.dtype) -> float:
    """What a sum of terms is uncertain by, of the sum of their sizes: 1e-5 in float32."""
    return min(ROUNDINGS * torch.finfo(dtype).eps, 1e-2)


def principal(evidence: Tensor, center: bool = False) -> Tensor:
    """The projection of every place on the first right singular vector of places x channels: (N, T, C, *S) to (N, T, *S).

    By the leading eigenvector of the smaller of the two Gram matrices, where Muhammad and Yeasin 2020 (arXiv:2008.00299)
    have a singular value decomposition: the same up to rounding, and a thousand times faster for 2048 channels on 7 x 7
    places. The sign, arbitrary there, is such that the projections times the mean over the channels sum to zero or more.
    Half precision is raised to float32.

    Args:
        center: subtract each channel's mean first, as pytorch-grad-cam does and the paper does not.

    A sample with a value that is not finite gets a map that is NaN.
    """
    rows = exact(evidence.flatten(3).transpose(2, 3))
    if center:
        rows = rows - rows.mean(2, keepdim=True)
    # in units of the largest value, so that squares neither underflow nor overflow
    peak = torch.linalg.vector_norm(rows, torch.inf, (2, 3), keepdim=True)
    finite = peak.isfinite()
    unit = peak.where(finite & (peak > 0), 1)
    rows = rows / unit
    projection = _first_component(rows, finite)
    agreement = (projection * rows.mean(3, keepdim=True)).sum(2, keepdim=True)
    saliency: Tensor = (projection * unit.where(agreement >= 0, -unit)).where(finite, torch.nan)
    return saliency.reshape(*evidence.shape[:2], *evidence.shape[3:])


def _first_component(rows: Tensor, finite: Tensor) -> Tensor:
    """Every row times the first right singular vector, of either sign: (..., P, C) to (..., P, 1).

    ``finite`` (..., 1, 1): matrices that are not are left alone, as one of them would make the whole batch raise.
    """
    wide = rows.shape[-2] <= rows.shape[-1]
    gram = rows @ rows.mT if wide else rows.mT @ rows
    value, leading = leading_eigenvector(gram.where(finite, 0))
    # of X X^T the leading eigenvector is the projection itself, but for its length
    return leading * value.clamp_min(0).sqrt() if wide else rows @ leading


def kernel_principal(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """The first kernel principal component, of either sign, and whether there is one: (..., P, P) to (..., P) and (..., 1).

    The kernel is centred in its rows and columns; the component is the eigenvector of its largest eigenvalue times that
    one's root. Where the eigenvalue is within rounding of nothing, the kernel tells no place from another: the component
    is 0. Where the kernel is not finite, the component is NaN.
    """
    finite = kernel.isfinite().all(-1, keepdim=True).all(-2, keepdim=True)
    kernel = kernel.where(finite, 0)
    rows = kernel.mean(-1, keepdim=True)
    centred = kernel - rows - rows.mT + rows.mean(-2, keepdim=True)
    value, leading = leading_eigenvector(centred)
    slack = kernel.shape[-1] * torch.finfo(kernel.dtype).eps * kernel.abs().amax((-2, -1), keepdim=True)
    separable = (value > slack) | ~finite
    component = (leading * value.clamp_min(0).sqrt()).where(separable, 0).where(finite, torch.nan)
    return component.squeeze(-1), separable.squeeze(-1)


def blurred(values: Tensor, share: float) -> Tensor:
    """Values (N, C, *S) under a Gaussian whose deviation is a share of each side, edges repeated."""
    for axis in range(2, values.dim()):
        values = _blurred_along(values, axis, share * values.shape[axis])
    return values


def _blurred_along(values: Tensor, axis: int, deviation: float) -> Tensor:
    size = values.shape[axis]
    reach = max(1, min(size, int(3 * deviation)))
    offsets = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    weights = torch.exp(-0.5 * (offsets / max(deviation, 1e-6)) ** 2)
    moved = values.movedim(axis, -1)
    # clamped places repeat the edge, however far the kernel reaches
    places = torch.arange(-reach, size + reach, device=values.device).clamp(0, size - 1)
    rows = moved[..., places].reshape(-1, 1, size + 2 * reach)
    summed = conv1d(rows, (weights / weights.sum()).reshape(1, 1, -1))
    return summed.reshape(moved.shape).movedim(-1, axis)


def quadrature(rule: Literal["gauss", "midpoint"], steps: int) -> list[tuple[float, float]]:
    """Points in [0, 1] and their weights, for an integral along a way.

    ``gauss``: Gauss and Legendre's, exact for polynomials up to the degree 2 steps - 1; ``midpoint``: (i + 1/2) / steps.

    >>> quadrature("midpoint", 2)
    [(0.25, 0.5), (0.75, 0.5)]
    """
    count = torch.arange(steps, dtype=torch.float64)
    if rule == "midpoint":
        places, shares = (count + 0.5) / steps, torch.full_like(count, 1 / steps)
    else:
        # Golub and Welsch 1969: eigenvalues of the Jacobi matrix of the Legendre polynomials
        beside = count[1:] / (4 * count[1:].square() - 1).sqrt()
        values, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
        places, shares = (values + 1) / 2, vectors[0].square()
    return list(zip(map(float, places), map(float, shares), strict=True))


SHORT = 0.01
"""What a sum along a way may miss of what is gained on it, before it is remarked on."""


def integrated(view: View, start: Tensor, points: Sequence[tuple[float, float]]) -> Tensor:
    """Integrated gradients along the straight way from other activations to the true ones, before the sum over the channels:
    (A - start) times the mean gradient at points of the way (Sundararajan et al. 2017, arXiv:1703.01365, Eq. 1).

    They sum to what the score gains on the way, as exactly as the points allow; what is missing is kept as the number
    ``residual``, and remarked on above 1 % of the gain. Costs a pass for each point and one for the start.

    Args:
        view: of a method that needs gradients and replays.
        start: (N, C, *S).
        points: places in [0, 1] and their weights, see :func:`quadrature`.

    Returns:
        (N, T, C, *S).
    """
    true = view.activations.squeeze(1)
    way = true - start
    mean = torch.zeros_like(view.gradients, dtype=torch.promote_types(true.dtype, torch.float32))

    def make(part: slice) -> Tensor:
        return torch.stack([start + place * way for place, _ in points[part]], 1).to(true.dtype)

    for (_, share), gradients in zip(points, view.gradients_with(len(points), make), strict=True):
        mean += share * gradients
    products = mean * way.unsqueeze(1)
    scores = view.scores
    gained = (scores - view.retrace_with(start).scores).to(products.dtype)
    # of the products, as a map may be reduced in another way than by a sum
    residual = products.flatten(2).sum(2) - gained
    view.number("residual", residual)
    # not what is rounding alone, where the layer counts for next to nothing
    most = SHORT * gained.abs() + 4 * torch.finfo(scores.dtype).eps * scores.abs()
    view.warn("more than 1 % short of complete: take more steps", residual.abs() > most)
    return products


def superpixels(image: Tensor, count: int) -> Tensor:
    """About as many superpixels of each photograph (N, C, *S), by SLIC (Achanta et al. 2012, doi:10.1109/TPAMI.2012.120): the
    number of that of each place, from 0, (N, *S) on the CPU. S has two or three axes.

    Raises:
        ConfigError: scikit-image is not installed, or S has other axes.
    """
    if image.dim() not in (4, 5):
        raise ConfigError(f"slic: expected two or three axes of space, got {image.dim() - 2}")
    try:
        from skimage.segmentation import slic
    except ImportError as error:
        raise ConfigError(
            "slic: scikit-image is not installed: pip install 'xaikit[superpixels]', or say grid"
        ) from error
    # a photograph that is not finite has parts as well
    flat = image.detach().nan_to_num(0, 0, 0).flatten(1)
    low, high = (getattr(flat, end)(1, keepdim=True) for end in ("amin", "amax"))
    unit = ((flat - low) / torch.where(high > low, high - low, 1)).reshape(image.shape)
    pictures = unit.movedim(1, -1).cpu().double().numpy()
    names = [picture.tobytes() for picture in pictures]  # all maps of a photograph have the same
    distinct = dict(zip(names, pictures, strict=True)).items()
    labels = {name: torch.from_numpy(slic(one, count, start_label=0, channel_axis=-1)) for name, one in distinct}
    return torch.stack([labels[name] for name in names]).long()
