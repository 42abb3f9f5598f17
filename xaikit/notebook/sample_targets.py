"""Targets that say something of each sample: several classes of it, or a function of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from xaikit.errors import ConfigError
from xaikit.targets import PinnedClasses, class_indices, class_logits, described, name_of


@dataclass(frozen=True)
class ClassesOfSamples:
    """Several classes of each sample, which the labels are: as indices or as truths."""

    plural: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = True

    def pin(self, output: Any, labels: Tensor | None) -> PinnedClasses:
        """The logits of the classes. Raises ConfigError where the model has other classes, or a row names one twice."""
        logits = class_logits(output, "of class indices")
        assert labels is not None
        indices = labels if labels.dtype != torch.bool else _indices_of(labels, logits.shape[1])
        padding = indices == -1
        chosen = class_indices(indices.masked_fill(padding, 0), logits, "of class indices")
        rows = indices.tolist()
        for row, classes in enumerate(rows):
            if len({*classes} - {-1}) < len(classes) - classes.count(-1):
                raise ConfigError(
                    f"target: expected each class once in a row, got {_shortened(classes)} for sample {row}; of truths, one a "
                    "class, give booleans: target.bool()"
                )
        padded = any(-1 in row for row in rows)
        return PinnedClasses(chosen.masked_fill(padding.to(chosen.device), -1), plural=True, padded=padded)


def _indices_of(truths: Tensor, classes: int) -> Tensor:
    if truths.shape[1] != classes:
        raise ConfigError(f"target: expected truths of {classes} classes a sample, got {truths.shape[1]}")
    rows = [row.nonzero()[:, 0] for row in truths]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


def _shortened(classes: Sequence[int]) -> str:
    return str(list(classes[:6])).replace("]", ", ...]" if len(classes) > 6 else "]")


@dataclass(frozen=True)
class FunctionsOfSamples:
    """A callable for each sample: ``function(output of its sample) -> number``, without the axis of samples."""

    functions: tuple[Callable[[Any], Tensor], ...]
    plural: ClassVar[bool] = False

    def pin(self, output: Any, labels: Tensor | None) -> FunctionsOfSamples:
        """Itself."""
        return self

    def scores(self, output: Any) -> Tensor:
        """What each returns, (N, 1). Raises ConfigError where one raises, or returns no number."""
        return torch.stack([self._score(row, output) for row in range(len(self.functions))]).unsqueeze(1)

    def _score(self, row: int, output: Any) -> Tensor:
        one, function = _of_sample(output, row), self.functions[row]
        where = f"target {row}, {name_of(function)}, which is given the output of its sample alone, {described(one)}"
        try:
            score = function(one)
        except Exception as error:
            raise ConfigError(f"{where}: expected a number, it raised {type(error).__name__}: {error}") from error
        if not isinstance(score, Tensor) or score.numel() != 1:
            raise ConfigError(f"{where}: expected a tensor of one number, got {described(score)}")
        return score.reshape(())

    def __str__(self) -> str:
        return " or ".join(dict.fromkeys(map(name_of, self.functions)))

    def rows(self, index: Tensor) -> FunctionsOfSamples:
        """The functions of chosen samples."""
        return FunctionsOfSamples(tuple(self.functions[row] for row in index.tolist()))


def _of_sample(output: Any, row: int) -> Any:
    """What a model returned of one sample, without the axis of samples."""
    if isinstance(output, Mapping):
        return {key: _of_sample(value, row) for key, value in output.items()}
    return output[row]
