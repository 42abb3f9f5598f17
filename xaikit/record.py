"""Record: one row of a run, what was explained in one picture by one method for one target."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Record:
    """One picture x one label x one target.

    image            SHA-256 of the bytes of the file
    name             the path as given, or the name of a sample
    stem             the file stem that stands for the picture in this run, unique and safe
    label            the method's label; "" where the whole picture failed
    target           class index, None where the target is no class
    target_name      what is explained, in words
    column           index on the axis of targets, 0 where there is one
    score            the explained number, as the model returned it
    prediction       the class of the highest logit, None where there are no classes
    prediction_name  the same, in words
    probability      softmax of the predicted class, in [0, 1]
    layers           the tapped layers, in the order of the config
    strides          pixels of the input per cell of each layer
    warnings         what a reader of the map has to know, a dead map's reason among them
    seconds          time spent on this row
    status           "ok" or "failed"
    error            why it failed, "" where it did not

    >>> row = Record(image="ab12", name="cat.jpg", stem="cat", label="gradcam", score=float("nan"))
    >>> row.to_json()[:60]
    '{"image": "ab12", "name": "cat.jpg", "stem": "cat", "label":'
    >>> Record.from_json(row.to_json()).score
    nan
    """

    image: str
    name: str
    stem: str
    label: str = ""
    target: int | None = None
    target_name: str = ""
    column: int = 0
    score: float = math.nan
    prediction: int | None = None
    prediction_name: str = ""
    probability: float | None = None
    layers: tuple[str, ...] = ()
    strides: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    status: Literal["ok", "failed"] = "ok"
    error: str = ""

    def to_json(self) -> str:
        """One line of strict JSON; a number that JSON does not know stands as "nan", "inf" or "-inf"."""
        return json.dumps(_strict(asdict(self)), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """The record of that line. Raises ValueError, TypeError or KeyError where the line is none."""
        raw: dict[str, Any] = json.loads(line)
        probability = raw["probability"]
        read = {
            "score": float(raw["score"]),
            "seconds": float(raw["seconds"]),
            "probability": None if probability is None else float(probability),
            "layers": tuple(raw["layers"]),
            "strides": tuple(map(float, raw["strides"])),
            "warnings": tuple(raw["warnings"]),
        }
        return cls(**{**raw, **read})


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
