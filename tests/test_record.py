import json
import math
import subprocess
import sys

import pytest

from xaikit.record import Record

FULL = Record(
    image="ab" * 32,
    name="pets/café \udcff\n.jpg",
    stem="cat-6f181290",
    label="gradcam",
    target=281,
    target_name="tabby",
    column=2,
    score=12.345678901234567,
    prediction=282,
    prediction_name="tiger cat",
    probability=0.1 + 0.2,
    layers=("layer3", "features+"),
    strides=(16.0, 32.5),
    warnings=("layer3: zero gradients",),
    seconds=0.25,
)


def test_a_record_survives_its_line_unchanged() -> None:
    line = FULL.to_json()
    assert "\n" not in line
    assert line.isascii(), "surrogates of undecodable file names cannot be written as UTF-8"
    assert Record.from_json(line) == FULL


def test_a_failure_survives_with_its_defaults() -> None:
    failure = Record("ab", "broken.jpg", "broken", status="failed", error="cannot be read")
    back = Record.from_json(failure.to_json())
    assert (back.status, back.error, back.target, back.probability) == ("failed", "cannot be read", None, None)
    assert math.isnan(back.score)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_number_for_survives_in_strict_json(value: float) -> None:
    record = Record("ab", "a", "a", score=value, probability=value, strides=(value, 1.0))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads(record.to_json(), parse_constant=refuse)
    back = Record.from_json(record.to_json())
    assert [repr(number) for number in (back.score, back.probability, *back.strides)] == [repr(value)] * 3 + ["1.0"]


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"image": "a"}', FULL.to_json()[:-1] + ', "more": 1}'])
def test_what_is_no_record_raises(line: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Record.from_json(line)


def test_records_need_no_torch() -> None:
    code = "import sys, xaikit.record, xaikit.stems; print('torch' in sys.modules or 'numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
