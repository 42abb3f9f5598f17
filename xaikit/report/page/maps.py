"""The maps of a run for its page: raw, and finished, at their native size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from xaikit.report.index import Entry
from xaikit.report.page.packing import Entry as Packed
from xaikit.report.page.packing import Packer
from xaikit.report.page.run import PagedRun
from xaikit.store.trials import StoredTrial

if TYPE_CHECKING:
    from torch import Tensor


class PackedMaps:
    """The maps of rows, in the order in which these are added."""

    def __init__(self) -> None:
        self._packer = Packer()
        self._raw: list[list[Packed]] = []
        self._finished: list[list[Packed]] = []
        self._unfinished: dict[int, str] = {}

    def add(self, report: PagedRun, entries: Sequence[Entry]) -> None:
        """Add the maps of some rows; only those of as many axes as the input has, which can be laid over it."""
        for _, group in groupby(entries, key=lambda entry: (entry[0].name, entry[1].bench, entry[1].name)):
            columns = list(group)
            _, trial, row = columns[0]
            raws = report.raw(trial, row)
            raws = {layer: raw for layer, raw in raws.items() if raw.dim() == 1 + len(trial.space)}
            finished, error = _finished(report, trial, raws)
            for record, *_ in columns:
                if error:
                    self._unfinished[len(self._raw)] = error
                self._raw.append(self._pack(raws, record.column, signed=True))
                self._finished.append(self._pack(finished, record.column, signed=trial.signed))

    def plain(self) -> dict[str, Any]:
        """As a page holds them: the bytes, and where in them the maps of each row lie, a list a row. Of finished maps the layer
        "" is the fused one."""
        return {
            "bytes": self._packer.packed(),
            "index": self._raw,
            "finished": self._finished,
            "unfinished": self._unfinished,
        }

    def _pack(self, maps: Mapping[str, Tensor], column: int, signed: bool) -> list[Packed]:
        return [self._packer.add(layer, saliency[column].float().numpy(), signed) for layer, saliency in maps.items()]


def _finished(report: PagedRun, trial: StoredTrial, raws: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The finished maps (T, *S) by layer and their fusion as "", or why there are none."""
    try:
        return _finish(report, trial, raws), ""
    except OSError:
        raise
    except Exception as error:  # a finisher of somebody else may raise anything
        return {}, f"{type(error).__name__}: {error}"


def _finish(report: PagedRun, trial: StoredTrial, raws: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A map that is resized to the input stays as it is, as a browser resizes alike; a fusion is taken from the run's own where
    sizes differ."""
    from xaikit.finish import finish_maps

    if not raws:
        return {}
    finish = report.finish_of(trial)
    strides = dict(zip(trial.layers, trial.strides, strict=True))
    batch = {layer: raw[None] for layer, raw in raws.items()}
    shapes = [tuple(raw.shape[1:]) for raw in raws.values()]
    resized = None if finish.resize is None else tuple(finish.resize.size(shapes, trial.space))
    is_alone = len(raws) == 1 and resized in (None, trial.space)
    fuse = finish.fuse if is_alone and not getattr(finish.fuse, "renormalize", False) else None
    finished, fused = finish_maps(replace(finish, resize=None, fuse=fuse), batch, strides, trial.space)
    if fused is None and finish.fuse is not None:
        fused = report.finish(trial, raws)[None]
    maps = {layer: saliency[0] for layer, saliency in finished.items()}
    return maps if fused is None else {**maps, "": fused[0]}
