import math
from dataclasses import FrozenInstanceError

import pytest

from xaikit.report.record import Record


def test_what_is_not_known_is_missing() -> None:
    record = Record("ab", "a.jpg", "a", "gradcam", "gradcam")
    assert (record.target, record.prediction, record.probability, record.warnings) == (None, None, None, ())
    assert math.isnan(record.score)
    with pytest.raises(FrozenInstanceError):
        record.column = 1  # type: ignore[misc]
