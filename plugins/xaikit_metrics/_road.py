"""Noisy linear imputation: every removed pixel is the weighted mean of its neighbours (Rong et al. 2022, arXiv:2202.00449)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

NOISE = 0.01
"""The deviation of what is added, in units of the model's input: without it a blurred place gives away that it was removed."""

DIRECT, DIAGONAL = 1 / 6, 1 / 12
"""The weights of neighbours; at an edge those that there are stand for the others."""

LEAF = 4
"""Places that are not divided any further."""


@dataclass(frozen=True)
class LinearImputation:
    """Removes places of photographs (N, C, *S); see :data:`xaikit_metrics._imputers.Impute`.

    The equations of all removed places are solved exactly, factorised once a mask for all channels. Where nothing is left, the
    mean of each channel stands.

    noise  standard normal, (N, C, *S): one draw a photograph, whatever is removed of it
    """

    image: Tensor
    noise: Tensor

    def __call__(self, gone: Tensor) -> Tensor:
        photographs = self.image.detach().cpu().double().numpy()
        pairs = [(image, mask) for image, masks in zip(photographs, gone.cpu().numpy(), strict=True) for mask in masks]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # a factorisation lets others run
            solved = np.stack(list(pool.map(lambda pair: _filled(*pair), pairs)))
        filled = torch.from_numpy(solved.reshape(*gone.shape[:2], *self.image.shape[1:])).to(self.image)
        filled = filled + NOISE * self.noise.unsqueeze(1)
        return torch.where(gone.unsqueeze(2), filled, self.image.unsqueeze(1))


def _filled(image: NDArray[Any], gone: NDArray[Any]) -> NDArray[Any]:
    """A photograph (C, *S) without the places where ``gone`` (*S) is true."""
    if gone.all():
        return np.broadcast_to(image.mean(tuple(range(1, image.ndim)), keepdims=True), image.shape)
    laplacian, order = _equations(gone.shape)
    unknown = order[gone.ravel()[order]]
    left = np.where(gone.ravel(), 0, image.reshape(len(image), -1))
    rows = laplacian[unknown]
    # symmetric, so that its rows are its columns; and diagonally dominant, so that no pivot is needed
    square = rows[:, unknown]
    matrix = sparse.csc_matrix((square.data, square.indices, square.indptr), shape=square.shape)
    if len(unknown):
        options = {"SymmetricMode": True, "Equil": False}
        # panels of one column: the fronts of a grid are small
        solver = splu(matrix, permc_spec="NATURAL", diag_pivot_thresh=0.0, panel_size=1, options=options)
        left[:, unknown] = solver.solve(-(rows @ left.T)).T
    return left.reshape(image.shape)


@lru_cache(maxsize=4)
def _equations(space: tuple[int, ...]) -> tuple[Any, NDArray[Any]]:
    """The weighted Laplacian of a grid, and an order of its places in which few zeros are lost on the way."""
    index = np.arange(np.prod(space)).reshape(space)
    pairs = [_pairs(index, offset) for offset in product((-1, 0, 1), repeat=len(space)) if any(offset)]
    rows, columns, weights = (np.concatenate(each) for each in zip(*pairs, strict=True))
    neighbours = sparse.csr_matrix((weights, (rows, columns)), shape=(index.size, index.size))
    diagonal = sparse.diags(np.asarray(neighbours.sum(1)).ravel())
    return (diagonal - neighbours).tocsr(), _dissected(index)


def _pairs(index: NDArray[Any], offset: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The places that have a neighbour at an offset, those neighbours, and their weight."""
    sides = list(zip(offset, index.shape, strict=True))
    here = index[tuple(slice(max(0, -step), size - max(0, step)) for step, size in sides)].ravel()
    there = index[tuple(slice(max(0, step), size - max(0, -step)) for step, size in sides)].ravel()
    weight = DIRECT if sum(map(abs, offset)) == 1 else DIAGONAL
    return here, there, np.full(here.size, weight)


def _dissected(index: NDArray[Any]) -> NDArray[Any]:
    """Nested dissection: both halves first, then the line between them (George 1973)."""
    if index.size <= LEAF or max(index.shape) < 3:
        return index.ravel()
    axis = int(np.argmax(index.shape))
    middle = index.shape[axis] // 2
    below, line, above = np.split(index, [middle, middle + 1], axis)
    return np.concatenate([_dissected(below), _dissected(above), line.ravel()])
