"""Photographs that lie in the package scikit-image (pip install 'xaikit[demo]')."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xaikit import ConfigError, DataError, hookimpl, nearest
from xaikit.sources import Photograph

PHOTOGRAPHS = ("coffee", "chelsea", "rocket", "camera", "motorcycle_left")
SUFFIXES = (".png", ".jpg")


@dataclass(frozen=True)
class SamplePhotographs:
    """Nothing is downloaded: only what the package itself carries.

    names  such as coffee, chelsea (a cat), rocket, camera, astronaut
    """

    names: tuple[str, ...] = PHOTOGRAPHS

    def photographs(self) -> Sequence[Photograph]:
        """Raises ConfigError without scikit-image, DataError for a name that it does not carry."""
        files = {path.stem: path for path in sorted(_folder().iterdir()) if path.suffix in SUFFIXES}
        for name in self.names:
            if name not in files:
                raise DataError(f"data.names: scikit-image carries no picture {name!r}; {nearest(name, files)}")
        return [Photograph(name, files[name].read_bytes) for name in self.names]


def _folder() -> Path:
    try:
        import skimage
    except ImportError as error:
        raise ConfigError("data.source: samples need scikit-image: pip install 'xaikit[demo]'") from error
    return Path(skimage.__file__).parent / "data"


@hookimpl
def xaikit_data() -> type:
    return SamplePhotographs
