"""Record: one row of a run, what was explained in one photograph by one trial for one target."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One photograph x one trial x one place on the target axis.

    image            SHA-256 of the bytes of the file
    name             the path as given, or the name of a sample
    stem             the file stem that stands for the photograph in this run, unique and safe
    trial            the name of the trial, unique in the run
    label            the method's label
    target           class index, None where the target is no class
    target_name      what is explained, in words
    column           index on the axis of targets, 0 where there is one
    score            the explained number, as the model returned it
    prediction       the class of the highest logit, None where there are no classes
    prediction_name  the same, in words
    truth            the class that the data states, None where it states none that the model knows
    truth_name       the same, in words; as the data has it where the model does not know it
    correct          whether that is the prediction, None where one of them is not known
    probability      softmax of the predicted class, in [0, 1]
    layers           the tapped layers, in the order of the config
    warnings         what a reader of the map has to know, a dead map's reason among them
    seconds          the share of this row in the time of its batch
    """

    image: str
    name: str
    stem: str
    trial: str
    label: str
    target: int | None = None
    target_name: str = ""
    column: int = 0
    score: float = math.nan
    prediction: int | None = None
    prediction_name: str = ""
    truth: int | None = None
    truth_name: str = ""
    correct: bool | None = None
    probability: float | None = None
    layers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
