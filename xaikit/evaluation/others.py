"""Other photographs of the data, for metrics that put several of them together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from xaikit.bench.loader import Picture
from xaikit.bench.opened import OpenedBench
from xaikit.errors import DataError
from xaikit.passes.nests import first_tensor

CONFIDENT = 0.5
"""The probability from which on a prediction counts as sure."""


class OtherPhotographs:
    """The photographs of a bench that the model is sure of, each by its predicted class.

    Args:
        rows: of the store: image, name, prediction and probability are read.
    """

    def __init__(self, opened: OpenedBench, rows: Iterable[Mapping[str, Any]], seed: int) -> None:
        self._opened, self._seed = opened, seed
        by_name = {row["name"]: row for row in rows}
        self._sure = {name: row for name, row in by_name.items() if (row["probability"] or 0) >= CONFIDENT}
        self._predictions = {name: row["prediction"] for name, row in by_name.items()}
        self._inputs: dict[str, Tensor | None] = {}

    @cached_property
    def _photographs(self) -> Mapping[str, Any]:
        return {photograph.name: photograph for photograph in self._opened.photographs}

    def inputs(self, picture: Picture, count: int, purpose: str) -> Tensor:
        """So many of other classes than a photograph's and each other's, (count, C, *S), as the model takes them; drawn by the
        seed and the photograph, whatever else is judged.

        Raises:
            DataError: there are not as many.
        """
        classes = {self._predictions.get(picture.photograph.name)}  # whether the model is sure of it or not
        chosen: list[Tensor] = []
        for name in sorted(self._sure, key=lambda name: self._draw(purpose, picture.digest, self._sure[name]["image"])):
            row = self._sure[name]
            if len(chosen) == count:
                break
            if row["prediction"] in classes or name == picture.photograph.name or (pixels := self._read(name)) is None:
                continue
            classes.add(row["prediction"])
            chosen.append(pixels)
        if len(chosen) < count:
            raise DataError(
                f"expected {count} other photographs that the model is sure of (a probability of {CONFIDENT} at least), each of "
                f"another class, got {len(chosen)}"
            )
        return torch.stack(chosen).to(self._opened.device)

    def _draw(self, *about: str) -> str:
        return hashlib.sha256("|".join([str(self._seed), *about]).encode()).hexdigest()

    def _read(self, name: str) -> Tensor | None:
        if name not in self._inputs:
            read = self._opened.loader.read(self._photographs[name]) if name in self._photographs else None
            self._inputs[name] = first_tensor(read.pixels) if isinstance(read, Picture) else None
        return self._inputs[name]
