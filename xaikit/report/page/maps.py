"""The maps of a run for its page: raw, and finished, at their native size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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


TOGETHER = 128
"""Photographs by trials whose maps are in memory at once."""

Maps = Mapping[str, "Tensor"]


PartOf = Callable[[Entry], int]
"""The part of the page that holds the maps of a photograph."""


class PackedMaps:
    """The maps of rows, in the order in which these are added."""

    def __init__(self) -> None:
        self._packers: dict[int, Packer] = defaultdict(Packer)
        self._raws: list[list[Packed]] = []
        self._finished: list[list[Packed]] = []
        self._unfinished: dict[int, str] = {}

    def add(self, report: PagedRun, entries: Sequence[Entry], part_of: PartOf) -> None:
        """Add the maps of some rows, in the parts of their photographs; only those of as many axes as the input has, which can be
        laid over it."""
        keyed = groupby(entries, key=lambda entry: (entry[0].name, entry[1].bench, entry[1].name))
        groups = [list(group) for _, group in keyed]
        for start in range(0, len(groups), TOGETHER):
            self._add(report, groups[start : start + TOGETHER], part_of)

    def _add(self, report: PagedRun, groups: Sequence[Sequence[Entry]], part_of: PartOf) -> None:
        """Those of some photographs by some trials, a group for each; maps of one trial and shape are finished together."""
        raws = [_raw(report, columns[0]) for columns in groups]
        alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for place, (columns, maps) in enumerate(zip(groups, raws, strict=True)):
            alike[columns[0][1].bench, columns[0][1].name, *(maps[layer].shape for layer in maps)].append(place)
        finished: dict[int, tuple[Maps, str]] = {}
        for places in alike.values():
            trial = groups[places[0]][0][1]
            finished |= zip(places, _finished(report, trial, [raws[place] for place in places]), strict=True)
        for place, columns in enumerate(groups):
            maps, error = finished[place]
            packer = self._packers[part_of(columns[0])]
            for record, trial, _ in columns:
                if error:
                    self._unfinished[len(self._raws)] = error
                self._raws.append(_pack(packer, raws[place], record.column, signed=True))
                self._finished.append(_pack(packer, maps, record.column, signed=trial.signed))

    def plain(self) -> dict[str, Any]:
        """Where in the bytes of their part the maps of each row lie, a list a row; the fused one is of the layer ""."""
        return {"index": self._raws, "finished": self._finished, "unfinished": self._unfinished}

    def packed(self, part: int) -> str:
        """The bytes of a part, see :meth:`xaikit.report.page.packing.Packer.packed`."""
        return self._packers[part].packed()


def _pack(packer: Packer, maps: Maps, column: int, signed: bool) -> list[Packed]:
    return [packer.add(layer, saliency[column].float().numpy(), signed) for layer, saliency in maps.items()]


def _raw(report: PagedRun, entry: Entry) -> Maps:
    _, trial, row = entry
    return {layer: raw for layer, raw in report.raws(trial, [row])[0].items() if raw.dim() == 1 + len(trial.space)}


def _finished(report: PagedRun, trial: StoredTrial, several: Sequence[Maps]) -> list[tuple[Maps, str]]:
    """Of each photograph the finished maps (T, *S) by layer and their fusion as "", or why there are none."""
    try:
        finished = _finish(report, trial, several) if several[0] else {}
    except OSError:
        raise
    except Exception as error:  # a finisher of somebody else may raise anything
        if len(several) == 1:
            return [({}, f"{type(error).__name__}: {error}")]
        return [_finished(report, trial, [maps])[0] for maps in several]
    return [({layer: saliency[place] for layer, saliency in finished.items()}, "") for place in range(len(several))]


def _finish(report: PagedRun, trial: StoredTrial, several: Sequence[Maps]) -> Maps:
    """Maps (N, T, *S). One that is resized to the input stays as it is, as a browser resizes alike; a fusion is taken from the
    run's own where that is not so, or where there are several layers."""
    import torch

    from xaikit.finish import finish_maps

    finish = report.finish_of(trial)
    strides = dict(zip(trial.layers, trial.strides, strict=True))
    batch = {layer: torch.stack([maps[layer] for maps in several]) for layer in several[0]}
    shapes = [tuple(raw.shape[2:]) for raw in batch.values()]
    resized = None if finish.resize is None else tuple(finish.resize.size(shapes, trial.space))
    is_alone = len(batch) == 1 and resized in (None, trial.space)
    fuse = finish.fuse if is_alone and not getattr(finish.fuse, "renormalize", False) else None
    finished, fused = finish_maps(replace(finish, resize=None, fuse=fuse), batch, strides, trial.space)
    if fused is None and finish.fuse is not None:
        fused = report.finish_all(trial, several)
    return finished if fused is None else {**finished, "": fused}
