"""Volumes: arrays of three axes in .npy, scans in NIfTI."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from torch import Tensor

from xaikit import ConfigError, DataError, Located, hookimpl
from xaikit.sources import Photograph
from xaikit_sources._paths import read_bytes
from xaikit_sources._samples import array_of, channels_first, files_of, label_of

_NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Volumes:
    """Volumes (channels, *S) with three axes S, as they are unless ``data.transform`` says ``size``, ``crop``, ``mean`` and
    ``std``. They are shown as slices along the first axis of S.

    path      a file, a glob, a folder, or a list of these: .npy, .nii, .nii.gz (extra ``medical``)
    label     null, or folder, whose name is the class
    channels  of an array of four axes: first or last; of NIfTI they are last
    order     of the axes of NIfTI: xyz as they lie in the file, or zyx, slices first
    """

    path: Annotated[str | list[str], Located()]
    label: Literal["folder"] | None = None
    channels: Literal["first", "last"] = "first"
    order: Literal["xyz", "zyx"] = "xyz"

    def photographs(self) -> Sequence[Photograph]:
        """The volumes. Raises DataError where nothing is found, ConfigError for NIfTI without nibabel."""
        files = files_of(self.path, (".npy", *_NIFTI), "data volumes")
        if any(file.name.lower().endswith(_NIFTI) for file in files):
            _nibabel()
        return [
            Photograph(
                str(file),
                partial(read_bytes, file),
                label_of(file, self.label),
                "volume",
                partial(self._decode, name=str(file)),
            )
            for file in files
        ]

    def _decode(self, data: bytes, name: str) -> Tensor:
        if name.lower().endswith(".npy"):
            return channels_first(array_of(data, name), 3, self.channels, name)
        array = _scan(data, name)
        volume = channels_first(array, 3, "last", name)
        return volume.permute(0, 3, 2, 1).contiguous() if self.order == "zyx" else volume


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise ConfigError("data volumes: NIfTI needs nibabel; install it by: pip install 'xaikit[medical]'") from error
    return nibabel


def _scan(data: bytes, name: str) -> np.ndarray:
    """The numbers of a scan as its file scales them, float32."""
    nibabel = _nibabel()
    try:
        content = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        kind = nibabel.Nifti2Image if content[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c") else nibabel.Nifti1Image
        numbers: np.ndarray = kind.from_bytes(content).get_fdata(dtype=np.float32)
    except Exception as error:  # readers of damaged bytes raise nearly anything
        raise DataError(f"{name}: cannot be read as NIfTI: {type(error).__name__}: {error}") from error
    return numbers


@hookimpl
def xaikit_data() -> type:
    return Volumes
