import json

import numpy as np
import pytest
import torch

from xaikit.pictures.places import read_place, written_place


@pytest.mark.parametrize("seed", range(4))
def test_a_mask_comes_back(seed: int) -> None:
    mask = np.random.default_rng(seed).random((5, 7)) > 0.4
    mask[0, 0] = bool(seed % 2)
    text = written_place({"mask": torch.from_numpy(mask)}, (3, 4))
    assert np.array_equal(read_place(text)["mask"], mask)
    assert sum(json.loads(text)["mask"]["counts"]) == 35


def test_run_lengths_are_those_of_coco() -> None:
    mask = np.array([[1, 0], [1, 0], [0, 1]], bool)
    assert json.loads(written_place({"mask": mask}, (2, 3)))["mask"] == {"size": [3, 2], "counts": [0, 2, 3, 1]}


def test_a_box_comes_back_and_nothing_is_nothing() -> None:
    assert read_place(written_place({"corners": (1, 2.345, 3, 4), "label": 7}, (9, 9))) == {"corners": [1, 2.35, 3, 4]}
    assert read_place(None) == {}


def test_a_box_in_shares_of_the_sides_is_written_in_pixels() -> None:
    place = {"corners": (0.25, 0.5, 0.75, 1.0), "label": 7, "relative": True}
    assert read_place(written_place(place, (200, 100))) == {"corners": [50, 50, 150, 100]}
