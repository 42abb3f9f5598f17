import pytest

from xaikit import DataError
from xaikit_sources.csv import Csv


@pytest.fixture
def table(photos):
    def write(text, **options):
        (photos / "table.csv").write_text(text, encoding=options.pop("encoding", "utf-8"))
        return Csv(str(photos / "table.csv"), **options)

    return write


def rows(source):
    return [(photograph.name, photograph.label) for photograph in source.photographs()]


def test_rows_keep_their_order_and_labels_are_text(table):
    source = table("path,label\ndogs/c.png,281\n2.png,tabby\n10.png,\ncats/a.PNG,n02123045\n")
    assert rows(source) == [
        ("dogs/c.png", "281"),
        ("2.png", "tabby"),
        ("10.png", None),
        ("cats/a.PNG", "n02123045"),
    ]


def test_paths_are_relative_to_the_table(table, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (photograph,) = table("path,label\n2.png,\n").photographs()
    assert photograph.read() == (photos / "2.png").read_bytes()


def test_absolute_paths(table, photos):
    assert rows(table(f"path,label\n{photos}/2.png,x\n")) == [(f"{photos}/2.png", "x")]


def test_other_columns_and_delimiter(table):
    source = table("id;file;class\n1;2.png;tabby\n", path_column="file", label_column="class", delimiter=";")
    assert rows(source) == [("2.png", "tabby")]


def test_without_labels(table):
    assert rows(table("path\n2.png\n", label_column=None)) == [("2.png", None)]


def test_a_short_row_has_no_label(table):
    assert rows(table("path,label\n2.png\n")) == [("2.png", None)]


def test_byte_order_mark_of_a_spreadsheet(table):
    assert rows(table("path,label\n2.png,tabby\n", encoding="utf-8-sig")) == [("2.png", "tabby")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n2.png,x\n", r"table\.csv:1: path_column: no column 'path'; known: file, label"),
        ("path,lable\n2.png,x\n", r"table\.csv:1: label_column: no column 'label'; did you mean 'lable'\?"),
        ("path,label\n2.png,x\n3.png,y\n", r"table\.csv:3: there is no '.*3\.png'; in '.*': did you mean '2\.png'"),
        ("path,label\n2.png,x\n\n2.png,y\n", r"table\.csv:4: '2\.png' is there already, in line 2"),
        ("path,label\n,x\n", r"table\.csv:2: the path is empty"),
        ("path,label\n", r"table\.csv: expected rows below the header, got none"),
        ("", r"table\.csv:1: path_column: no column 'path'; there are none"),
    ],
)
def test_faults_are_named_by_their_line(table, text, message):
    with pytest.raises(DataError, match=message):
        table(text).photographs()


def test_no_csv(table, photos):
    with pytest.raises(DataError, match="expected CSV in UTF-8"):
        Csv(str(photos / "2.png")).photographs()
    with pytest.raises(DataError, match=r"data csv: there is no '.*tabel\.csv'"):
        Csv(str(photos / "tabel.csv")).photographs()


def test_delimiter_is_one_character():
    with pytest.raises(ValueError, match="delimiter: expected one character, got ', '"):
        Csv("table.csv", delimiter=", ")


@pytest.mark.parametrize("name", ["a" * 5000, "b/" * 2500 + "c.png", "a\0b.png", "~nobody-of-that-name/a.png"])
def test_a_path_that_no_file_can_have_is_named_with_its_line(tmp_path, name):
    (tmp_path / "list.csv").write_text(f"path,label\n{name},1\n")
    with pytest.raises(DataError) as error:
        Csv(str(tmp_path / "list.csv")).photographs()
    assert "list.csv" in str(error.value)
    assert len(str(error.value)) < 6000
    with pytest.raises(DataError, match="there is no"):
        Csv(name).photographs()
