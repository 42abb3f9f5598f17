"""A figure for a paper out of a run folder: which photographs, which maps, and on which scale their colours are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.compute as pc
from PIL import Image
from torch import Tensor

from xaikit.errors import ConfigError, is_count, nearest
from xaikit.finish import finish_maps
from xaikit.paper.grid import PaperCell, PaperFigure, check_installed
from xaikit.pictures.colors import COLORMAPS
from xaikit.pictures.overlay import Floats, Scale, floats, resized
from xaikit.plain.paths import file_name, short_names
from xaikit.plain.text import escaped
from xaikit.report.index import Index
from xaikit.report.lookup import distinct, find_photograph, find_trial, why_failed
from xaikit.report.report import Report
from xaikit.store.pictures import open_picture, picture_name
from xaikit.store.trials import StoredTrial

FEW_ROWS, FEW_COLUMNS = 4, 5
"""What a figure shows where nobody has chosen."""

_SHORTEST_ID = 6
_ENDING = re.compile(r"\.(png|jpe?g|webp|tiff?|bmp|gif)$", re.IGNORECASE)


def figure(
    run: str | Path | Report,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
    width: float = 85.0,
    maps: Literal["finished", "raw"] = "finished",
    scale: Literal["locked", "each"] = "locked",
    alpha: float = 0.5,
    colormap: str = "auto",
    photograph: bool = True,
    target: int = 0,
) -> PaperFigure:
    """A grid of photographs by trials as a paper prints it; ``save("fig.pdf")`` writes it, as PDF, SVG or PNG.

    Args:
        run: a folder, or its report.
        rows: photographs by name, file name or stem; the first four by default.
        columns: trials by name or label; or one layer's map, as ``layer4`` or ``gradcam:layer4``; the first five by default.
        titles: other words for rows and columns, by the name that was given.
        width: in millimetres.
        maps: as the run finished them, or raw.
        scale: one for all maps, or each map's own, whose largest value stands below it.
        alpha: the share of the colours over a photograph, 0.5 by default, see :func:`xaikit.overlay`; 1 is the map alone.
        colormap: a name of :data:`xaikit.pictures.colors.COLORMAPS`, or ``auto``: sequential, of signed maps diverging.
        photograph: whether the first column is the photograph as the model saw it.
        target: the place on the axis of targets.

    Raises:
        ConfigError: matplotlib is not installed (extra ``plot``), or an option says what it cannot.
        StoreError: there is no such photograph or trial; the nearest are named.
    """
    check_installed()
    rows, columns = _names("rows", rows), _names("columns", columns)
    titles = _texts(titles or {})
    _check("maps", maps, ("finished", "raw"))
    _check("scale", scale, ("locked", "each"))
    _check("colormap", colormap, ("auto", *COLORMAPS))
    _check_numbers(width, alpha, target)
    if not 20 <= width <= 1000:
        raise ConfigError(f"width: expected 20 to 1000 millimetres, got {width}")
    if not 0 <= alpha <= 1:
        raise ConfigError(f"alpha: expected a share in [0, 1], got {alpha}")
    report = run if isinstance(run, Report) else Report(run)
    names = rows or list(distinct(report.rows["name"].to_pylist()))[:FEW_ROWS]
    drawn = distinct(trial.name for trial in report.index.trials if not trial.control)
    chosen = [_column(report.index, called) for called in columns or drawn[:FEW_COLUMNS]]
    _check_titles(titles, [*names, *(column.called for column in chosen)])
    cells = [[_cell(report, name, column, maps, target) for column in chosen] for name in names]
    colored, bar, ticks, unit = _colored(cells, maps, scale, colormap)
    photographs = [[_photograph(report, name, chosen[0])] if photograph else [] for name in names]
    called = dict(zip(names, _stems(names), strict=True)) | titles
    return PaperFigure(
        rows=tuple(escaped(called[name]) for name in names),
        columns=tuple(["photograph"] * photograph + [escaped(called.get(each.called, each.called)) for each in chosen]),
        cells=tuple((*first, *others) for first, others in zip(photographs, colored, strict=True)),
        bar=bar,
        ticks=ticks,
        caption=f"{maps} maps, {unit}",
        width=width,
        alpha=alpha,
    )


def row_names(report: Report) -> set[str]:
    """What photographs may be called."""
    names = distinct(report.rows["name"].to_pylist())
    return {each for name in names for each in (name, file_name(name), file_name(name).rpartition(".")[0])}


def column_names(index: Index) -> set[str]:
    """What maps may be called."""
    names = {name for trial in index.trials for name in (trial.name, trial.label)}
    layers = {layer for trial in index.trials for layer in trial.layers}
    of_layers = {
        f"{name}:{layer}" for trial in index.trials for name in (trial.name, trial.label) for layer in trial.layers
    }
    return names | layers | of_layers


def _stems(names: Sequence[str]) -> list[str]:
    """Photographs by file name without its ending; where several are the same, with as much of their folder or ending as tells
    them apart."""
    stems = [_ENDING.sub("", name) for name in names]
    paths = stems if len({*stems}) == len({*names}) else names
    return [short_names(paths)[path] for path in paths]


def _names(what: str, stated: Sequence[str]) -> list[str]:
    """One name is a list of one. Raises ConfigError."""
    listed = [stated] if isinstance(stated, str) else [*stated]
    for name in listed:
        if not isinstance(name, str):
            raise ConfigError(f"{what}: expected names, got {name!r}")
    return listed


def _texts(titles: Mapping[str, str]) -> dict[str, str]:
    for name, title in titles.items():
        if not isinstance(title, str):
            raise ConfigError(f"titles: expected a text for {name!r}, got {title!r}")
    return dict(titles)


def _check_titles(titles: Mapping[str, str], names: Sequence[str]) -> None:
    for name in titles:
        if name not in names:
            raise ConfigError(f"titles: {name!r} is no row or column that is shown; {nearest(name, names)}")


def _check_numbers(width: object, alpha: object, target: object) -> None:
    for what, value in (("width", width), ("alpha", alpha)):
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ConfigError(f"{what}: expected a number, got {value!r}")
    if not is_count(target, 0):
        raise ConfigError(f"target: expected a place on the axis of targets, a whole number from 0, got {target!r}")


def _check(what: str, word: str, choices: Sequence[str]) -> None:
    if word not in choices:
        raise ConfigError(f"{what}: expected {' or '.join(choices)}, got {word!r}; {nearest(word, choices)}")


@dataclass(frozen=True)
class MapColumn:
    """One column: a trial's map, or that of one of its layers."""

    called: str
    trial: StoredTrial
    layer: str | None = None


def _column(index: Index, called: str) -> MapColumn:
    """What is meant by a name. Raises ConfigError with the nearest of all that there are."""
    names = distinct(name for trial in index.trials for name in (trial.name, trial.label))
    if called in names or any(trial.id.startswith(called) for trial in index.trials if len(called) >= _SHORTEST_ID):
        return MapColumn(called, find_trial(index, called))
    label, _, layer = called.partition(":")
    if label in names:
        trial = find_trial(index, label)
        if layer not in trial.layers:
            raise ConfigError(f"columns: {label} has no layer {layer!r}; {nearest(layer, trial.layers)}")
        return MapColumn(called, trial, layer)
    trials = [trial for trial in index.trials if called in trial.layers and not trial.control]
    if len(trials) == 1:
        return MapColumn(called, trials[0], called)
    if trials:
        ways = " or ".join(f"{trial.name}:{called}" for trial in trials[:3])
        raise ConfigError(f"columns: {called!r} is a layer of {len(trials)} trials: write {ways}")
    layers = distinct(layer for trial in index.trials for layer in trial.layers)
    raise ConfigError(f"columns: no trial or layer {called!r}; {nearest(called, [*names, *layers])}")


def _photograph(report: Report, name: str, column: MapColumn) -> PaperCell:
    """As the model saw it."""
    picture = _picture(report, find_photograph(report.index, column.trial.bench, name), column.trial)
    if picture is None:
        raise ConfigError(
            f"photograph: the run keeps no picture of {name!r}, as with report.overlays: false; leave it out, and draw maps "
            "alone with alpha 1"
        )
    return PaperCell(picture)


def _picture(report: Report, name: str, trial: StoredTrial) -> Image.Image | None:
    stem = report.index.photographs[trial.bench][name].stem
    return open_picture(report.index.store.folder, picture_name(stem))


def _cell(report: Report, name: str, column: MapColumn, maps: str, target: int) -> PaperCell:
    """The map at its size on the picture, its scale yet to be found; a note where there is none."""
    trial = column.trial
    name = find_photograph(report.index, trial.bench, name)
    rows = report.rows
    for key, value in {"evidence": trial.evidence, "name": name, "bench": trial.bench}.items():
        rows = rows.filter(pc.equal(rows[key], value))
    if not rows.num_rows:
        return PaperCell(note=f"no map{why_failed(report.failures, trial, name)}")
    values = _values(report, column, report.raws(trial, rows.slice(0, 1).to_pylist())[0], maps)
    if values.ndim != 3:
        shape = "x".join(map(str, values.shape[1:]))
        raise ConfigError(f"columns: expected maps of photographs, got {column.called} with maps of {shape}")
    if not 0 <= target < len(values):
        raise ConfigError(f"target: expected 0 to {len(values) - 1}, got {target}")
    size = (int(trial.space[-1]), int(trial.space[-2]))
    picture = _picture(report, name, trial) or Image.new("RGB", size, "white")
    return PaperCell(picture, resized(values[target], (picture.height, picture.width)))


def _values(report: Report, column: MapColumn, raws: Mapping[str, Tensor], maps: str) -> Floats:
    """The maps of a column for all targets, (T, *S)."""
    trial, layer = column.trial, column.layer
    if maps == "raw" and layer is None and len(raws) > 1:
        ways = " or ".join(f"{column.called}:{one}" for one in [*raws][:3])
        raise ConfigError(f"columns: a raw map is of one layer, and {column.called} has {len(raws)}: write {ways}")
    if maps == "raw":
        return floats(raws[layer or next(iter(raws))])
    if layer is None:
        return floats(report.finish(trial, raws))
    stacked = {each: raw.unsqueeze(0) for each, raw in raws.items()}
    strides = dict(zip(trial.layers, trial.strides, strict=True))
    return floats(finish_maps(report.finish_of(trial), stacked, strides, trial.space)[0][layer][0])


def _colored(
    cells: Sequence[Sequence[PaperCell]], maps: str, scale: str, colormap: str
) -> tuple[list[list[PaperCell]], Scale, tuple[str, ...], str]:
    """The cells with their scales; that of the bar, its words, and what it says of the scale."""
    shown = [cell.saliency for row in cells for cell in row if cell.saliency is not None]
    signed = any(bool((each < 0).any()) for each in shown)
    if colormap == "auto":
        colormap = "diverging" if signed else "sequential"
    # finished maps keep [0, 1], or [-1, 1], as in overlays: resizing takes a little of what was normalized
    locked = scale_of(shown, signed, colormap, least=1.0 if maps == "finished" else 0.0)
    odd = "; magenta: not a number" if locked.odd else ""
    if scale == "locked":
        ends = (locked.low, 0.0, locked.high) if signed else (locked.low, locked.high)
        ticks = tuple(f"{end:.3g}".replace("-", "−") for end in ends)
        return [[_with_scale(cell, locked) for cell in row] for row in cells], locked, ticks, f"one scale for all{odd}"
    ticks = ("−max", "0", "max") if signed else ("0", "max")
    colored = [[_on_its_own(cell, signed, colormap) for cell in row] for row in cells]
    return colored, locked, ticks, f"each on a scale of its own: max is the number below it{odd}"


def _with_scale(cell: PaperCell, scale: Scale) -> PaperCell:
    return cell if cell.saliency is None else replace(cell, scale=scale)


def _on_its_own(cell: PaperCell, signed: bool, colormap: str) -> PaperCell:
    if cell.saliency is None:
        return cell
    scale = scale_of([cell.saliency], signed, colormap)
    return replace(cell, scale=scale, note=f"{scale.high:.3g}")


def scale_of(maps: Sequence[Floats], signed: bool, colormap: str, least: float = 0.0) -> Scale:
    """From 0, or of signed maps from -max|x|, to the largest of all that is finite; of maps that are 0 everywhere to 1."""
    most = max([_largest(each) for each in maps] + [least]) or 1.0
    odd = "NaN" if any(not np.isfinite(each).all() for each in maps) else ""
    return Scale(-most if signed else 0.0, most, colormap, odd)


def _largest(values: Floats) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))
