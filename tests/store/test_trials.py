import pyarrow as pa
import pytest

from helpers.run_folders import trial
from xaikit.store.trials import from_table, to_table


def test_trials_come_back() -> None:
    trials = (
        trial(options={"top_channels": 8, "nested": {"a": [1, 2]}}, where={"methods.gradcam.top_channels": 8}),
        trial("other", target={"use": "classes", "names": ["a", "b"]}, space=(4, 4, 4), strides=(1.5,), layers=("x",)),
    )
    assert from_table(to_table(trials)) == trials


def test_no_trials_are_a_table_without_rows() -> None:
    assert from_table(to_table(())) == ()


@pytest.mark.parametrize(
    ("values", "kind", "column"),
    [
        ((8, 16), pa.int64(), [8, 16]),
        ((8, None), pa.int64(), [8, None]),
        ((8, 0.5), pa.float64(), [8.0, 0.5]),
        ((True, False), pa.bool_(), [True, False]),
        ((True, 1), pa.string(), ["true", "1"]),
        (("a", "b"), pa.string(), ["a", "b"]),
        (("a", 1), pa.string(), ["a", "1"]),
        ((["x", "y"], {"k": 1}), pa.string(), ['["x", "y"]', '{"k": 1}']),
    ],
)
def test_a_swept_key_is_a_column_of_its_kind(
    values: tuple[object, ...], kind: pa.DataType, column: list[object]
) -> None:
    table = to_table([trial(where={"a.b": value} if value is not None else {}) for value in values])
    assert table.schema.field("a.b").type == kind
    assert table["a.b"].to_pylist() == column


def test_a_swept_key_that_is_a_field_already_stays_the_field() -> None:
    table = to_table([trial(seed=3, where={"seed": 3})])
    assert table.column_names.count("seed") == 1
    assert table["seed"].to_pylist() == [3]
