import numpy as np
import pytest
from PIL import Image

from xaikit.pictures.lettering import INK
from xaikit.pictures.sheet import HEIGHT, Cell, contact_sheet

RED = Image.new("RGB", (HEIGHT, HEIGHT), (200, 0, 0))


def column_of(sheet: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of where a colour is."""
    rows, columns = np.nonzero((np.array(sheet) == colour).all(-1))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_cells_stand_in_a_grid_that_never_overlaps() -> None:
    colours = [(r, g, 0) for r in (50, 150, 250) for g in (50, 200)]
    cells = [Cell(Image.new("RGB", (HEIGHT, HEIGHT), colour), [("name", INK)]) for colour in colours]
    sheet = contact_sheet(["one", "two"], [cells[0:2], cells[2:4], cells[4:6]])
    boxes = [column_of(sheet, colour) for colour in colours]
    assert {(right - left, bottom - top) for left, top, right, bottom in boxes} == {(HEIGHT, HEIGHT)}
    assert len({left for left, *_ in boxes}) == 2
    assert len({top for _, top, *_ in boxes}) == 3
    assert all(left > 0 and right < sheet.width and bottom < sheet.height for left, _, right, bottom in boxes)


@pytest.mark.parametrize(("width", "height"), [(32, 32), (448, 448), (300, 150), (100, 400)])
def test_pictures_are_brought_to_one_height_with_their_own_proportions(width: int, height: int) -> None:
    sheet = contact_sheet(["a"], [[Cell(Image.new("RGB", (width, height), (200, 0, 0)))]])
    left, top, right, bottom = column_of(sheet, (200, 0, 0))
    assert (right - left, bottom - top) == (round(width * HEIGHT / height), HEIGHT)
    assert right < sheet.width


def test_a_row_without_pictures_is_only_as_high_as_its_words() -> None:
    words = Cell(None, [("broken.jpg", INK), ("cannot be read", INK)])
    full = contact_sheet(["a"], [[Cell(RED)]]).height
    assert contact_sheet(["a"], [[Cell(RED)], [words]]).height - full < HEIGHT / 2


def test_words_stay_below_their_picture_and_within_their_column() -> None:
    ink = (0, 0, 254)
    cells = [Cell(RED, [("W" * 200, ink)] * 3), Cell(RED)]
    sheet = contact_sheet(["a", "b"], [cells])
    left, top, right, bottom = column_of(sheet, ink)
    picture = column_of(sheet.crop((0, 0, 14 + HEIGHT, sheet.height)), (200, 0, 0))
    assert top >= picture[3]
    assert left >= picture[0]
    assert right <= picture[0] + HEIGHT
    assert bottom < sheet.height


def test_uneven_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        contact_sheet(["a", "b"], [[Cell(RED), Cell(RED)], [Cell(RED)]])
