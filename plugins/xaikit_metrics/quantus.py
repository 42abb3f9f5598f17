"""Any metric of Quantus, on the same maps, classes and masks as those of xaikit (Hedström et al. 2023)."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import math
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy

FAMILIES = {"Axiomatic": "axioms"}
"""Where a category of Quantus is another word than a family of ours."""


@dataclass(frozen=True)
class Quantus:
    """``{use: quantus, metric: PixelFlipping, options: {features_in_step: 224}}``: what the class of that name in Quantus says,
    which way is better as Quantus has it.

    A case is handed over alone, with numbers at random from the seed, so that what Quantus draws and normalizes by the batch is
    the same whatever a case is judged beside. A curve counts with its mean, and is kept as ``curve``.

    Cost: what the metric of Quantus costs, of which the plan knows nothing but ``nr_samples``; each case by itself.
    Fails: where Quantus fails: PixelFlipping breaks ties in the order of the rows, a one-channel map is spread over all
    channels, and MPRT forgets what a batch normalisation has counted.
    Peers: Quantus itself, called by hand.

    metric   the name of a class in ``quantus``
    options  of its constructor
    softmax  whether probabilities are scored, in place of logits
    reads    which map it is handed
    """

    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    softmax: bool = True
    reads: Policy = "raw"

    needs: ClassVar[MetricNeeds] = MetricNeeds(annotations=True, explains=True, model=True)
    equation: ClassVar[str] = "that of the metric of Quantus"
    citation: ClassVar[str] = "Hedström et al. 2023, arXiv:2202.06861"
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    no_oracle: ClassVar[str] = "it depends on the metric of Quantus that is asked for"
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"metric": "Sparseness"},
        {"metric": "MaxSensitivity", "options": {"nr_samples": 2}},
        {"metric": "FaithfulnessCorrelation", "options": {"nr_runs": 10, "subset_size": 200}},
    )

    def __post_init__(self) -> None:
        if importlib.util.find_spec("quantus") is None:
            raise ValueError("needs Quantus; install it by: pip install 'xaikit[quantus]'")

    @property
    def higher_is_better(self) -> bool:
        """As Quantus says it of the metric."""
        return bool(self._class.score_direction.value == "higher")

    @property
    def family(self) -> str:
        """The category of Quantus."""
        category: str = self._class.evaluation_category.value
        return FAMILIES.get(category, category.lower())

    @property
    def explanations(self) -> int:
        """The samples of a metric of robustness."""
        return int(getattr(self._made(), "nr_samples", 0) or 0) if self.family == "robustness" else 0

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), in units of the metric; NaN where it gives none or refuses the map, or the target is not one class alone."""
        model, seeds = view.copied_model().float(), (view.generator.uniform(1) * 2**31).long()
        rows = []
        for row, seed in enumerate(seeds.flatten().tolist()):
            try:
                rows.append(self._case(view.case(row), model, seed))
            except AssertionError as error:  # how Quantus refuses what it is handed
                rows.append([math.nan])
                view.undefined(f"Quantus: {str(error).partition('.')[0]}", _only(row, view))
        if max(map(len, rows)) > 1:
            view.keep("curve", _padded(rows))
        means = torch.tensor([[sum(values) / max(len(values), 1)] for values in rows], dtype=torch.float64)
        view.undefined("what is explained is not one class alone", view.classes < 0)
        view.undefined(f"{self.metric} gives no number", ~means.isfinite())
        return torch.where(means.isfinite(), means, torch.nan).to(view.maps.device)

    def _case(self, view: MetricView, model: nn.Module, seed: int) -> Sequence[float]:
        """What Quantus says of one case: a number, or those of a curve."""
        target = int(view.classes[0, 0])
        if target < 0:
            return [math.nan]
        masks = view.masks
        with lent(seed):
            result = self._made()(
                model=model,
                x_batch=_array(view.image),
                y_batch=np.array([target]),
                a_batch=_array(view.maps),
                s_batch=masks.unsqueeze(1).cpu().numpy() if masks.any() else None,
                channel_first=True,
                explain_func=Again(view, model, target).explain,
                softmax=self.softmax,
                device=str(view.image.device),
            )
        values: list[float] = np.asarray(result, dtype=np.float64).ravel().tolist()
        return values

    @property
    def _class(self) -> Any:
        quantus = importlib.import_module("quantus")
        found = getattr(quantus, self.metric, None)
        if not (isinstance(found, type) and hasattr(found, "score_direction")):
            raise ValueError(
                f"metric: expected the name of a metric of Quantus, such as PixelFlipping, got {self.metric!r}"
            )
        return found

    def _made(self) -> Any:
        quiet = {"disable_warnings": True, "display_progressbar": False}
        return self._class(**quiet | dict(self.options))


@dataclass(frozen=True)
class Again:
    """The explainer that Quantus is handed: the same method at other inputs, for another class, or by another model.

    view    of one case
    model   that Quantus was handed
    target  the explained class
    """

    view: MetricView
    model: nn.Module
    target: int

    def explain(self, model: nn.Module, inputs: np.ndarray, targets: Any, **_: Any) -> np.ndarray:
        """(M, 1, *S) of inputs (M, C, *S)."""
        pairs = zip(np.asarray(inputs), np.atleast_1d(targets), strict=True)
        return np.concatenate([_array(self._one(model, one, int(label))) for one, label in pairs])

    def _one(self, model: nn.Module, one: np.ndarray, label: int) -> Tensor:
        image = self.view.image
        inputs = torch.from_numpy(np.ascontiguousarray(one)).to(image).unsqueeze(0)
        is_photograph, is_target = torch.allclose(inputs, image, atol=1e-6), label == self.target
        if model is self.model and is_target:
            return self.view.explain(inputs)
        if model is self.model and is_photograph:
            return self.view.explain_class(torch.full((1, 1), label))
        if is_target:
            return self.view.explain_with(copy.deepcopy(model).to(image.dtype), inputs)
        raise ValueError(
            "quantus: expected another class of the photograph and the model as they are, got another of these"
        )


def _only(row: int, view: MetricView) -> Tensor:
    return torch.arange(view.shape[0]).unsqueeze(1) == row


def _padded(rows: Sequence[Sequence[float]]) -> Tensor:
    """Curves as (N, 1, longest), NaN behind the end of shorter ones."""
    lists = [torch.tensor(values, dtype=torch.float64) for values in rows]
    return nn.utils.rnn.pad_sequence(lists, batch_first=True, padding_value=math.nan).unsqueeze(1)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()


@contextmanager
def lent(seed: int) -> Iterator[None]:
    """Quantus draws from the numbers of the process and warns of its own arithmetic: both are lent, and put back."""
    states = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(states[0])
            random.setstate(states[1])


@hookimpl
def xaikit_metric() -> type:
    return Quantus
