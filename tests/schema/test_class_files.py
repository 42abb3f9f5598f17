import numpy as np
import pytest

from xaikit import ConfigError
from xaikit.schema.class_files import read_classes


@pytest.fixture
def classes(tmp_path):
    def write(content):
        (tmp_path / "names.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_classes("names.txt", tmp_path)[0]

    return write


def test_one_name_a_line(classes):
    assert (
        classes("tench\n tiger cat \r\nKüche\n")
        == classes("\ufefftench\ntiger cat\nKüche")
        == ("tench", "tiger cat", "Küche")
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\n\nc\n", r"names\.txt:2: expected the name of a class, got a blank line"),
        ("\na\n", r"names\.txt:1: .* blank line"),
        ("a\n \t\nb", r"names\.txt:2: .* blank line"),
        ("", r"names\.txt:1: .* blank line"),
        ("a\nb\x1b[31m\n", r"names\.txt:2: expected the name of a class, got 'b\\x1b\[31m'"),
        ("a\n0\tb\n", r"names\.txt:2: expected the name of a class"),
        ("a\u2028b\n", r"names\.txt:1: expected the name of a class"),
        ("Küche\n".encode("latin-1"), r"names\.txt: expected UTF-8, got another encoding .*; save it as UTF-8"),
    ],
)
def test_a_line_that_names_nothing_is_an_error(classes, content, message):
    with pytest.raises(ConfigError, match=rf"^classes: .*{message}"):
        classes(content)


def test_a_file_that_is_none_is_an_error(tmp_path):
    for name in ("absent.txt", "a" * 5000, "a\0b"):
        with pytest.raises(ConfigError, match=r"classes: there is no "):
            read_classes(name, tmp_path)


def test_a_list_and_imagenet_need_no_file():
    names, wnids = read_classes("imagenet")
    assert (names[281], wnids[281]) == ("tabby", "n02123045")
    assert read_classes(["a", "b"]) == (("a", "b"), None)
    assert read_classes(list(names)) == (names, wnids), "whoever lists them brings their ids"


NAMES = ("zebra", "ant", "bee")


@pytest.mark.parametrize(
    "stated",
    [
        dict(enumerate(NAMES)),
        {2: "bee", 0: "zebra", 1: "ant"},
        {"0": "zebra", "1": "ant", "2": "bee"},
        {"ant": 1, "zebra": 0, "bee": np.int64(2)},
        np.array(NAMES),
        (name for name in NAMES),
    ],
)
def test_names_by_index_indices_by_name_and_arrays(stated):
    assert read_classes(stated) == (NAMES, None)


def test_a_path_is_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    assert read_classes(tmp_path / "names.txt")[0] == NAMES


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ([], "expected names, one for each output, as strings, got none"),
        ({}, "got none"),
        ([False, True], "got False among them"),
        ({"ant": 1, "bee": 2}, "expected a mapping from each index 0 to 1 to its name, or .* got {'ant': 1, 'bee': 2}"),
        ({"a": "ant", "b": "bee"}, "got {'a': 'ant', 'b': 'bee'}"),
        ({0: "ant", "0": "bee"}, "from each index 0 to 1"),
        ({0: None}, "expected a mapping"),
        ({"ant", "bee"}, "names in the order of the outputs, got set"),
        (3, "got int"),
    ],
)
def test_what_names_no_outputs_is_refused(stated, message):
    with pytest.raises(ConfigError, match=f"^classes: .*{message}"):
        read_classes(stated)
