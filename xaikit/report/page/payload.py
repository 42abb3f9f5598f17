"""What a page holds, as plain values: the facts that `xaikit query` answers from, the maps, and what explains both."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence

import yaml

from xaikit._version import __version__
from xaikit.pictures.colors import table
from xaikit.plain.paths import short_names
from xaikit.registry import Registry
from xaikit.report.page.cards import cards
from xaikit.report.page.facts import Facts, Plain
from xaikit.report.page.run import PagedRun

VERSION = 1
COLORMAPS = ("sequential", "diverging", "viridis", "gray")
"""Those of which lightness rises evenly, which the colour-blind read as others do."""

MOST = 2000
"""Photographs in one file."""


def payload(
    reports: Sequence[PagedRun],
    registry: Registry,
    boards: Sequence[Plain | None] = (),
    *,
    images: Collection[str] | None = None,
    trials: Collection[str] | None = None,
    together: int = MOST,
) -> Plain:
    """All that a page holds, ready for JSON: lists as columns, None for what is no number.

    Args:
        reports: one run, or two that are looked at beside each other.
        registry: where the cards of methods and metrics come from.
        boards: the leaderboard of each run; None where nothing was measured.
        images, trials: the names of the photographs and trials that are in it; all by default.
        together: photographs whose maps are in one part of the page.
    """
    facts = Facts(together)
    for report in reports:
        facts.add(report, images, trials)
    folders = [str(report.folder).rstrip("/") for report in reports]
    names = [short_names(folders)[folder] for folder in folders]
    methods = sorted({trial.method for report in reports for trial in report.trials})
    metrics = sorted({metric.use for report in reports for metric in report.index.metrics})
    return {
        "version": VERSION,
        "xaikit": __version__,
        "title": " and ".join(names),
        "runs": [_run(report, name) for report, name in zip(reports, names, strict=True)],
        **facts.plain(),
        "methods": cards("method", methods, registry),
        "metrics": cards("metric", metrics, registry),
        "leaderboards": list(boards),
        "colormaps": {name: base64.b64encode(table(name).tobytes()).decode() for name in COLORMAPS},
    }


def as_json(values: Plain) -> str:
    """JSON that may stand inside a script element of HTML, whatever the names in it are.

    >>> as_json({"name": "</script>"})
    '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate({ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"})


def _run(report: PagedRun, name: str) -> Plain:
    plan = report.index.store.plan()
    config = report.manifest.get("config") or plan.get("config", {})
    return {
        "name": name,
        "folder": str(report.folder),
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        "values": config,
        "manifest": {
            key: value for key, value in report.manifest.items() if key not in ("config", "origins", "trials")
        },
        "plan": {key: value for key, value in plan.items() if key not in ("config", "sha256")},
        "failures": [{"name": each.name, "error": each.error} for each in report.failures],
        "stopped": report.stopped,
    }
