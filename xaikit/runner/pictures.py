"""The photographs as the model saw them, for the pictures that a run folder has lost."""

from __future__ import annotations

from collections.abc import Iterator

from xaikit.bench.loader import Picture
from xaikit.report.index import Index
from xaikit.runner.frames import save_pictures
from xaikit.runner.prepare import PreparedBench, PreparedRun
from xaikit.sources import Photograph
from xaikit.store.pictures import picture_name, shown_image, whole_name
from xaikit.store.rows import Failure


def save_missing_pictures(run: PreparedRun, index: Index) -> list[Failure]:
    """Read the photographs again whose maps are there and whose picture is not, and save it.

    Returns:
        Those that cannot be read any more: nothing can be drawn over them.

    Raises:
        OSError: the disk does not take a picture.
    """
    existing = set(index.store.folder.names("pictures", ".png"))
    return [failure for bench in run.benches for failure in _save_missing(bench, index, existing)]


def _save_missing(bench: PreparedBench, index: Index, existing: set[str]) -> Iterator[Failure]:
    stems = {photograph.name: index.photographs[bench.key][photograph.name].stem for photograph in bench.photographs}
    names = (picture_name, whole_name) if bench.loader.whole else (picture_name,)

    def is_missing(photograph: Photograph) -> bool:
        stem, image = stems[photograph.name], index.photographs[bench.key][photograph.name].image
        if any(name(stem) not in existing for name in names):
            return True
        return photograph.name in index.edited and shown_image(index.store.folder, picture_name(stem)) != image

    missing = [photograph for photograph in bench.photographs if is_missing(photograph)]
    explained = _explained(bench, index, missing)
    for (picture,) in bench.loader.batches([photograph] for photograph in missing if photograph.name in explained):
        name = picture.photograph.name
        if isinstance(picture, Picture):
            save_pictures(index.store.folder, stems[name], picture)
        else:
            yield Failure(bench.key, name, picture.digest, error=f"its picture cannot be drawn again: {picture.error}")


def _explained(bench: PreparedBench, index: Index, photographs: list[Photograph]) -> set[str]:
    """The names of those that have maps; where none is asked for no part is read."""
    names = {photograph.name for photograph in photographs}
    parts = index.store.parts(bench.key) if names else []
    return {name for part in parts for name in index.rows([part], names)["name"].to_pylist()}
