"""Figures for papers: what is on them, to the colour and the millimetre, and what is refused."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import xaikit
from helpers.runs import config, pictures
from xaikit.cli.commands import commands
from xaikit.cli.entry import main
from xaikit.cli.figure import _title
from xaikit.paper.figure import scale_of
from xaikit.paper.grid import DOTS, INCH, PaperCell, PaperFigure, fitted, length_of
from xaikit.pictures.colors import NOT_FINITE, table
from xaikit.pictures.overlay import Scale, resized

METHODS = {
    "gradcam": {},
    "layercam": {"layers": ["stem", "body"], "finish": {"resize": "input"}},
    "signed": {"use": "hirescam", "finish": {"rectify": "none"}, "layers": ["body"]},
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> xaikit.Report:
    return xaikit.run(config(tmp_path_factory.mktemp("run"), methods=METHODS))


def maps_of(figure: PaperFigure, column: int) -> Iterator[PaperCell]:
    return (row[column] for row in figure.cells)


# --- what is on it


def test_the_first_photographs_by_the_first_trials_are_shown(report: xaikit.Report) -> None:
    figure = xaikit.figure(report)
    assert figure.rows == ("one", "three", "two")
    assert figure.columns == ("photograph", "gradcam", "layercam", "signed")
    assert (figure.ticks, figure.caption) == (("−1", "0", "1"), "finished maps, one scale for all")
    assert all(cell.saliency is None and cell.picture.size == (32, 32) for cell in maps_of(figure, 0) if cell.picture)


def test_finished_maps_are_those_of_the_run(report: xaikit.Report) -> None:
    figure = xaikit.figure(report, columns=["gradcam", "layercam"])
    for column, trial in enumerate(figure.columns[1:], 1):
        for name, cell in zip(report.images, maps_of(figure, column), strict=True):
            assert np.allclose(cell.saliency, report.map(name, trial), atol=1e-6)
            assert cell.scale == Scale(0.0, 1.0, "sequential")
    assert figure.ticks == ("0", "1")


def test_raw_maps_are_those_of_the_store_on_one_scale(report: xaikit.Report) -> None:
    figure = xaikit.figure(report, columns=["gradcam", "layercam:stem"], maps="raw")
    raws = [report.maps(name, "gradcam") for name in report.images]
    layered = [report.maps(name, "layercam")["stem"] for name in report.images]
    for cell, raw in zip(maps_of(figure, 1), raws, strict=True):
        (only,) = raw.values()
        assert np.array_equal(cell.saliency, resized(only.float().numpy(), (32, 32)))
    values = [*(next(iter(raw.values())) for raw in raws), *layered]
    shown = [resized(value.float().numpy(), (32, 32)) for value in values]
    most = max(float(abs(value).max()) for value in shown)
    assert {cell.scale for row in figure.cells for cell in row[1:]} == {figure.bar}
    assert figure.bar.high == pytest.approx(most)
    assert figure.ticks[-1] == f"{most:.3g}"


def test_a_scale_of_its_own_is_stated_below_each_map(report: xaikit.Report) -> None:
    figure = xaikit.figure(report, columns=["gradcam", "signed"], maps="raw", scale="each")
    for row in figure.cells:
        for cell in row[1:]:
            assert cell.saliency is not None
            assert cell.scale is not None
            assert cell.note == f"{np.abs(cell.saliency).max():.3g}"
            assert cell.scale.high == pytest.approx(np.abs(cell.saliency).max())
    assert figure.caption == "raw maps, each on a scale of its own: max is the number below it"
    assert figure.ticks == ("−max", "0", "max")


def test_a_layer_is_a_column_by_itself(report: xaikit.Report) -> None:
    figure = xaikit.figure(
        report, columns=["stem", "layercam:body"], rows=["two.png"], titles={"stem": "early", "two.png": "B"}
    )
    assert (figure.rows, figure.columns) == (("B",), ("photograph", "early", "layercam:body"))
    early, late = figure.cells[0][1:]
    assert early.saliency is not None
    assert not np.array_equal(early.saliency, late.saliency)
    both = report.map("two.png", "layercam").numpy()
    assert np.allclose(np.maximum(early.saliency, late.saliency), both, atol=1e-6)  # fused by the maximum


def test_a_map_that_there_is_not_says_why_in_its_place(tmp_path: Path) -> None:
    values = config(tmp_path)
    (tmp_path / "photos" / "two.png").write_bytes(b"no picture")
    figure = xaikit.figure(xaikit.run(values), rows=["one", "two"], photograph=False)
    assert figure.cells[0][0].note == ""
    assert figure.cells[1][0].note.startswith("no map; it failed: ")
    assert figure.cells[1][0].picture is None
    assert figure._repr_png_()


def test_a_run_without_pictures_has_maps_alone(tmp_path: Path) -> None:
    values = config(tmp_path)
    report = xaikit.run({**values, "report": {**values["report"], "overlays": False}})
    with pytest.raises(
        xaikit.ConfigError, match=r"photograph: the run keeps no picture of '.*one\.png', as with report.over"
    ):
        xaikit.figure(report)
    figure = xaikit.figure(report, photograph=False, alpha=1)
    assert figure.columns == ("gradcam", "layercam")
    assert figure.cells[0][0].saliency is not None


# --- colours and millimetres


def pixel(figure: PaperFigure, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place in millimetres."""
    with Image.open(io.BytesIO(figure._as("png"))) as image:
        return image.convert("RGB").getpixel((round(x * DOTS / INCH), round(y * DOTS / INCH)))  # type: ignore[return-value]


def single(values: np.ndarray, scale: Scale, alpha: float) -> PaperFigure:
    """One cell on a blue picture, without names."""
    cell = PaperCell(Image.new("RGB", (8, 8), (0, 0, 200)), values, scale)
    return PaperFigure(("",), ("",), ((cell,),), scale, ("0", "1"), "", width=40, alpha=alpha)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a_map_has_exactly_the_colours_of_its_table(value: float) -> None:
    scale = Scale(0.0, 1.0, "sequential")
    expected = table("sequential")[round(255 * value)]
    assert pixel(single(np.full((8, 8), value), scale, 1.0), 20, 20) == tuple(expected)
    blended = np.rint(0.5 * expected + 0.5 * np.array([0, 0, 200]))
    assert np.abs(np.array(pixel(single(np.full((8, 8), value), scale, 0.5), 20, 20)) - blended).max() <= 1


def test_zero_of_a_signed_map_is_the_middle_of_its_table_and_nan_is_magenta() -> None:
    values = np.zeros((8, 8))
    values[:, 4:] = np.nan
    figure = single(values, scale_of([values], True, "diverging"), 1.0)
    assert pixel(figure, 10, 20) in {tuple(table("diverging")[127]), tuple(table("diverging")[128])}
    assert pixel(figure, 30, 20) == NOT_FINITE


def test_the_bar_has_the_ends_of_its_table(report: xaikit.Report) -> None:
    figure = single(np.zeros((8, 8)), Scale(0.0, 2.0, "viridis"), 0.5)
    with Image.open(io.BytesIO(figure._as("png"))) as image:
        pixels = {tuple(color) for color in np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()}
    assert {tuple(table("viridis")[0].tolist()), tuple(table("viridis")[255].tolist())} <= pixels


@pytest.mark.parametrize("width", [40.0, 85.0, 178.0])
def test_a_figure_is_as_wide_as_it_says(report: xaikit.Report, width: float) -> None:
    figure = xaikit.figure(report, columns=["gradcam"], width=width)
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", figure._as("pdf"))
    assert box is not None
    assert float(box[1]) * 25.4 / 72 == pytest.approx(width, abs=0.01)
    with Image.open(io.BytesIO(figure._as("png"))) as image:
        assert image.width == pytest.approx(width * DOTS / INCH, abs=1)


def test_text_keeps_to_its_width() -> None:
    for text in ("layercam:blocks.4 gamma=2", "a" * 200, "one two three four five six", "$x_1$"):
        for lines in (fitted(text, 15, 7.0), fitted(text, 15, 7.0, most=1)):
            assert all(length_of(line, 7.0) <= 15 for line in lines)
    assert fitted("layercam:blocks.4", 13, 7.0) == ["layercam:", "blocks.4"]
    assert fitted("a" * 200, 15, 7.0)[0].count("…") == 1


# --- files


@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_the_same_figure_is_the_same_bytes_whatever_the_style_of_the_process(
    report: xaikit.Report, tmp_path: Path, ending: str
) -> None:
    once = xaikit.figure(report).save(tmp_path / f"a.{ending}").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "savefig.facecolor": "red", "figure.dpi": 30, "pdf.compression": 0}):
        settings = dict(matplotlib.rcParams)
        again = xaikit.figure(report).save(tmp_path / "new" / f"b.{ending}").read_bytes()
        assert dict(matplotlib.rcParams) == settings
    assert once == again
    assert not re.search(rb"CreationDate|<dc:date>|20\d\d-\d\d-\d\d", once)


def test_fonts_are_embedded_as_truetype(report: xaikit.Report) -> None:
    data = xaikit.figure(report)._as("pdf")
    assert b"/FontFile2" in data
    assert b"/Type3" not in data
    assert b"<text" not in xaikit.figure(report)._as("svg")  # outlines


def test_no_pyplot_is_imported(report: xaikit.Report, tmp_path: Path) -> None:
    code = (
        f"import sys, xaikit\nxaikit.figure({str(report.folder)!r}).save({str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib' in sys.modules\nassert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_dollar_sign_is_no_formula(report: xaikit.Report) -> None:
    figure = xaikit.figure(report, columns=["gradcam"], titles={"gradcam": r"$\frac{1$ <b>"})
    assert figure._as("pdf")


# --- what is refused


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"columns": ["gradcm"]}, "ConfigError", "columns: no trial or layer 'gradcm'; did you mean 'gradcam'"),
        ({"columns": ["layercam:bod"]}, "ConfigError", "columns: layercam has no layer 'bod'; did you mean 'body'"),
        ({"columns": ["body"]}, "ConfigError", "'body' is a layer of 3 trials: write gradcam:body or layercam:body or"),
        ({"columns": ["layercam"], "maps": "raw"}, "ConfigError", "has 2: write layercam:stem or layercam:body"),
        ({"rows": ["on.png"]}, "StoreError", "no photograph 'on.png'; did you mean 'one.png'"),
        ({"maps": "row"}, "ConfigError", "maps: expected finished or raw, got 'row'; did you mean 'raw'"),
        ({"scale": "lock"}, "ConfigError", "scale: expected locked or each, got 'lock'; did you mean 'locked'"),
        ({"colormap": "virids"}, "ConfigError", "got 'virids'; did you mean 'viridis'"),
        ({"width": 3}, "ConfigError", "width: expected 20 to 1000 millimetres, got 3"),
        ({"alpha": 2}, "ConfigError", r"alpha: expected a share in \[0, 1\], got 2"),
        ({"target": 1}, "ConfigError", "target: expected 0 to 0, got 1"),
        (
            {"target": 1.0},
            "ConfigError",
            "target: expected a place on the axis of targets, a whole number from 0, got 1.0",
        ),
        ({"width": "85"}, "ConfigError", "width: expected a number, got '85'"),
        ({"alpha": "x"}, "ConfigError", "alpha: expected a number, got 'x'"),
        ({"titles": {"gradcam": None}}, "ConfigError", "titles: expected a text for 'gradcam', got None"),
        (
            {"titles": {"gradcm": "a"}},
            "ConfigError",
            "'gradcm' is no row or column that is shown; did you mean 'gradcam'",
        ),
        ({"rows": [1]}, "ConfigError", "rows: expected names, got 1"),
    ],
)
def test_what_cannot_be_is_refused_with_the_nearest(
    report: xaikit.Report, options: dict[str, object], error: str, message: str
) -> None:
    with pytest.raises(getattr(xaikit, error), match=message):
        xaikit.figure(report, **options)  # type: ignore[arg-type]


def test_one_name_is_a_list_of_one(report: xaikit.Report) -> None:
    drawn = xaikit.figure(report, rows="two", columns="gradcam", photograph=False)
    assert (drawn.rows, drawn.columns) == (("two",), ("gradcam",))


def test_photographs_of_one_stem_are_told_apart(tmp_path: Path) -> None:
    pictures(tmp_path / "photos" / "cats", ("a.png", "b.png"))
    pictures(tmp_path / "photos" / "dogs", ("a.png",))
    drawn = xaikit.figure(xaikit.run(config(tmp_path, methods=["gradcam"])))
    assert sorted(drawn.rows) == ["b", "cats/a", "dogs/a"]


def test_another_ending_is_refused(report: xaikit.Report, tmp_path: Path) -> None:
    with pytest.raises(
        xaikit.ConfigError, match=r"figure: expected a file that ends in .pdf, .svg, .png, got '.*a.jpg'"
    ):
        xaikit.figure(report).save(tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_a_missing_matplotlib_is_an_error_that_says_what_to_install(
    report: xaikit.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(xaikit.ConfigError, match=r"matplotlib is not installed: pip install 'xaikit\[plot\]'"):
        xaikit.figure(report)


# --- the command


def test_the_command_writes_the_same_file(report: xaikit.Report, tmp_path: Path) -> None:
    arguments = [
        "figure",
        str(report.folder),
        "--to",
        str(tmp_path / "a.pdf"),
        "--rows",
        "one,two",
        "--columns",
        "stem,signed",
    ]
    arguments += ["--title", "stem=early", "--width", "120", "--raw", "--each", "--alpha", "1", "--no-photograph"]
    done = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert done.output == f"2 rows and 2 columns, 120 mm wide: {tmp_path / 'a.pdf'}\n"
    expected = xaikit.figure(
        report,
        rows=["one", "two"],
        columns=["stem", "signed"],
        titles={"stem": "early"},
        width=120,
        maps="raw",
        scale="each",
        alpha=1,
        photograph=False,
    )
    assert (tmp_path / "a.pdf").read_bytes() == expected._as("pdf")


def test_names_may_have_commas_and_equals_signs(tmp_path: Path) -> None:
    methods = {"a,b": {"use": "gradcam"}, "k=2": {"use": "gradcam"}, "b": {"use": "layercam"}}
    run = xaikit.run(config(tmp_path, methods=methods))
    arguments = ["figure", str(run.folder), "--to", str(tmp_path / "a.svg"), "--columns", "a,b,k=2,b", "--rows", "one"]
    titles = ["--title", "k=2=alpha=3", "--title", "b=x=1"]
    done = CliRunner().invoke(commands, [*arguments, *titles], catch_exceptions=False)
    assert done.output.startswith("1 rows and 4 columns")  # the photograph is the first
    known = {"a,b", "k=2", "b"}
    assert [_title(text, known) for text in titles[1::2]] == [("k=2", "alpha=3"), ("b", "x=1")]
    done = CliRunner().invoke(commands, [*arguments, "--title", "c=x"])
    assert "'c' is no row or column that is shown" in str(done.exception)


def test_a_wrong_name_is_bad_input(report: xaikit.Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["figure", str(report.folder), "--to", str(tmp_path / "a.pdf"), "--columns", "gradcm"])
    assert ended.value.code == 2
    assert "did you mean 'gradcam'" in capsys.readouterr().err
