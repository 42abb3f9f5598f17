import numpy as np
import pytest

from helpers.signals import series
from xaikit import DataError
from xaikit_sources.series import Series


def decoded(source):
    return {one.name.rpartition("/")[2]: (one.label, one.decode(one.read())) for one in source.photographs()}


def test_a_file_a_series_a_column_a_channel(tmp_path):
    for place, name in enumerate(("10.csv", "2.tsv", "3.npy")):
        values = series(place)
        match name[-3:]:
            case "csv":
                np.savetxt(tmp_path / name, values.T, delimiter=",", header="left,right", comments="")
            case "tsv":
                np.savetxt(tmp_path / name, values.T, delimiter="\t")
            case _:
                np.save(tmp_path / name, values)
    (tmp_path / "notes.md").write_text("no series")
    read = decoded(Series(str(tmp_path)))
    assert list(read) == ["2.tsv", "3.npy", "10.csv"]
    for place, name in enumerate(("10.csv", "2.tsv", "3.npy")):
        assert np.allclose(read[name][1], series(place), atol=1e-5)


def test_channels_last_and_the_folder_as_the_class(tmp_path):
    (tmp_path / "calm").mkdir()
    np.save(tmp_path / "calm" / "a.npy", series().T)
    np.save(tmp_path / "calm" / "b.npy", series()[0])
    read = decoded(Series(f"{tmp_path}/*/*.npy", label="folder", channels="last"))
    assert {label for label, _ in read.values()} == {"calm"}
    assert read["a.npy"][1].shape == (2, 64)
    assert read["b.npy"][1].shape == (1, 64)


def test_a_row_a_series_with_its_class(tmp_path):
    (tmp_path / "all.csv").write_text("kind,t0,t1,t2\ncalm,1,2,3\nwild,4,5,6\n")
    read = decoded(Series(str(tmp_path / "all.csv"), each="row", label="kind"))
    assert {name: (label, values.tolist()) for name, (label, values) in read.items()} == {
        "all.csv#0": ("calm", [[1, 2, 3]]),
        "all.csv#1": ("wild", [[4, 5, 6]]),
    }
    (tmp_path / "ucr.txt").write_text("1,1,2\n2,3,4\n")
    read = decoded(Series(str(tmp_path / "ucr.txt"), each="row", label=0))
    assert read["ucr.txt#1"][0] == "2"
    np.save(tmp_path / "all.npy", np.stack([series(0), series(1)]))
    read = decoded(Series(str(tmp_path / "all.npy"), each="row"))
    assert np.array_equal(read["all.npy#1"][1], series(1))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", r"a\.csv: expected rows of numbers, got none"),
        ("a.csv", b"1,2\n3\n", r"a\.csv: row 2: expected 2 cells, got 1"),
        ("a.csv", b"1,2\n3,x\n", r"a\.csv: row 2: expected a number, got 'x'"),
        ("a.csv", b"\xff\xfe1", r"a\.csv: expected a table in UTF-8"),
        ("a.npy", b"\x93NUMPY cut", r"a\.npy: cannot be read as an array"),
    ],
)
def test_what_is_no_series_is_an_error_that_names_the_place(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    (one,) = Series(str(tmp_path / name)).photographs()
    with pytest.raises(DataError, match=message):
        one.decode(one.read())


def test_shapes_columns_and_paths_that_are_none(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4)))
    (one,) = Series(str(tmp_path / "a.npy")).photographs()
    with pytest.raises(DataError, match=r"expected 1 axes, or 2 with channels first, got \(2, 3, 4\)"):
        one.decode(one.read())
    (tmp_path / "t.csv").write_text("kind,a\nx,1\n")
    with pytest.raises(DataError, match="label: no column 'knd'; did you mean 'kind'"):
        Series(str(tmp_path / "t.csv"), each="row", label="knd").photographs()
    with pytest.raises(DataError, match=r"there is no .*none\.csv"):
        Series(str(tmp_path / "none.csv")).photographs()
    with pytest.raises(DataError, match="expected at least one file"):
        Series(f"{tmp_path}/*.tsv").photographs()
    with pytest.raises(ValueError, match="label: expected null or folder where a file is one series"):
        Series(str(tmp_path), label="kind")


def test_a_row_that_is_no_series_names_its_column_and_stops_no_other(tmp_path):
    (tmp_path / "t.csv").write_text("t0,t1,kind\n1,,calm\n3,4,wild\n5,x,wild\n7\n")
    rows = Series(str(tmp_path / "t.csv"), each="row", label="kind").photographs()
    assert [one.label for one in rows] == ["calm", "wild", "wild", None]
    assert rows[1].decode(rows[1].read()).tolist() == [[3, 4]]
    for place, message in (
        (0, "#0: column 't1': expected a number, got ''"),
        (2, "#2: column 't1': expected a number, got 'x'"),
        (3, "#3: expected its class in column 2, got 1 cells"),
    ):
        with pytest.raises(DataError, match=message):
            rows[place].read()
    (tmp_path / "plain.csv").write_text("1,2\n3,\n")
    (_, bad) = Series(str(tmp_path / "plain.csv"), each="row").photographs()
    with pytest.raises(DataError, match="column 1: expected a number, got ''"):
        bad.read()
