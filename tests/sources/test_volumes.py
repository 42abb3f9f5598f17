import sys

import nibabel
import numpy as np
import pytest

from helpers.signals import volume
from xaikit import ConfigError, DataError
from xaikit_sources.volumes import Volumes


def decoded(source):
    return {one.name.rpartition("/")[2]: one.decode(one.read()) for one in source.photographs()}


def test_arrays_and_scans(tmp_path):
    plain = volume()
    np.save(tmp_path / "a.npy", plain)
    np.save(tmp_path / "b.npy", np.stack([plain, 2 * plain]))
    scaled = nibabel.Nifti1Image((1000 * plain).astype(np.int16), np.eye(4))
    nibabel.save(scaled, tmp_path / "c.nii.gz")
    nibabel.save(nibabel.Nifti2Image(np.stack([plain, plain], 3), np.eye(4)), tmp_path / "d.nii")
    read = decoded(Volumes(str(tmp_path)))
    assert {name: tuple(one.shape) for name, one in read.items()} == {
        "a.npy": (1, 10, 12, 16), "b.npy": (2, 10, 12, 16), "c.nii.gz": (1, 10, 12, 16), "d.nii": (2, 10, 12, 16),
    }  # fmt: skip
    assert np.array_equal(read["a.npy"][0], plain)
    assert np.allclose(read["c.nii.gz"][0], 1000 * plain, atol=1)
    turned = decoded(Volumes(f"{tmp_path}/c.nii.gz", order="zyx"))["c.nii.gz"]
    assert np.array_equal(turned[0], read["c.nii.gz"][0].permute(2, 1, 0))


def test_without_nibabel_arrays_are_read_and_scans_name_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    np.save(tmp_path / "a.npy", volume())
    assert decoded(Volumes(str(tmp_path)))["a.npy"].shape == (1, 10, 12, 16)
    (tmp_path / "b.nii").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"needs nibabel; install it by: pip install 'xaikit\[medical\]'"):
        Volumes(str(tmp_path)).photographs()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_damaged_scans_are_errors_that_name_them(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b junk" if name.endswith("gz") else b"junk" * 200)
    (one,) = Volumes(str(tmp_path / name)).photographs()
    with pytest.raises(DataError, match=rf"{name}: cannot be read as NIfTI"):
        one.decode(one.read())
