"""Which pixels of a frame belong to an object."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from xaikit.sources.framed import Annotation, inside

BOXES = torch.tensor([[1.0, 1.0, 5.0, 4.0], [6.0, 0.0, 8.0, 2.0]])
TRIANGLE = ((1.0, 1.0), (5.0, 1.0), (5.0, 4.0))


@given(st.tuples(*(st.integers(-3, 12) for _ in range(4))))
def test_an_upright_rectangle_is_its_box(corners: tuple[int, int, int, int]) -> None:
    x0, x1 = sorted(corners[:2])
    y0, y1 = sorted(corners[2:])
    box = Annotation(torch.tensor([[x0, y0, x1, y1]]).float()).places((7, 9))
    assert torch.equal(inside(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), (7, 9)), box)


def test_a_pixel_counts_by_its_middle() -> None:
    upper = torch.tensor([[x >= y for x in range(6)] for y in range(6)])
    assert torch.equal(inside(((0, 0), (6, 0), (6, 6)), (6, 6)), upper)


def test_an_outline_stands_for_its_box_and_a_box_for_what_has_none() -> None:
    annotation = Annotation(BOXES, (0, 1), outlines=((TRIANGLE,), ()))
    both, first, second = (each.places((5, 9)) for each in (annotation, annotation.of(0), annotation.of(1)))
    assert torch.equal(first, inside(TRIANGLE, (5, 9)))
    assert 0 < first.sum() < 12
    assert torch.equal(second, Annotation(BOXES[1:]).places((5, 9)))
    assert torch.equal(both, first | second)


def test_parts_of_an_object_count_together() -> None:
    other = ((6.0, 2.0), (8.0, 2.0), (8.0, 4.0))
    annotation = Annotation(BOXES[:1], outlines=((TRIANGLE, other),))
    assert torch.equal(annotation.places((5, 9)), inside(TRIANGLE, (5, 9)) | inside(other, (5, 9)))


def test_a_mask_goes_before_outlines() -> None:
    mask = torch.zeros(5, 9, dtype=torch.bool)
    assert torch.equal(Annotation(BOXES[:1], mask=mask, outlines=((TRIANGLE,),)).places((5, 9)), mask)
