"""Photographs that come with scikit-image, nothing downloaded: coffee, chelsea (a cat), rocket and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xaikit import ConfigError, DataError, hookimpl, nearest
from xaikit.sources import Photograph
from xaikit_sources._paths import photograph, pictures_in

_SHOWING_IMAGENET_CLASSES = ["coffee", "chelsea", "rocket", "camera", "motorcycle_left"]


@dataclass(frozen=True)
class SamplesData:
    """The pictures inside the installed package ``scikit-image``, by the names they have in ``skimage.data``.

    names  which ones, in this order; null for five photographs that show classes of ImageNet
    """

    names: list[str] | None = None

    def photographs(self) -> Sequence[Photograph]:
        """The pictures. Raises ConfigError without scikit-image, DataError for a name that it does not bring."""
        pictures = _pictures()
        names = list(dict.fromkeys(_SHOWING_IMAGENET_CLASSES if self.names is None else self.names))
        if not names:
            raise DataError("data samples: names: expected at least one name, got an empty list")
        for name in names:
            if name not in pictures:
                raise DataError(f"data samples: there is no picture {name!r}; {nearest(name, pictures)}")
        return [photograph(pictures[name], name) for name in names]


def _pictures() -> dict[str, Path]:
    try:
        import skimage
    except ImportError as error:
        raise ConfigError("data samples: needs scikit-image; install it by: pip install 'xaikit[demo]'") from error
    return {path.stem: path for path in pictures_in(Path(skimage.__file__).with_name("data"), recursive=False)}


@hookimpl
def xaikit_data() -> type:
    return SamplesData
