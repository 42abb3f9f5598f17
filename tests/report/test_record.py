import math
from dataclasses import FrozenInstanceError

import pytest

from xaikit.report.record import Record


def test_a_record_of_no_number_has_none_and_nan() -> None:
    record = Record("ab", "a.jpg", "a", "gradcam", "gradcam")
    assert (record.target, record.prediction, record.probability, record.warnings) == (None, None, None, ())
    assert math.isnan(record.score)
    with pytest.raises(FrozenInstanceError):
        record.column = 1  # type: ignore[misc]
