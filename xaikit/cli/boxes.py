"""``xaikit boxes``: what stands out in the maps of a run, as a table or as the annotations of COCO."""

from __future__ import annotations

from pathlib import Path

import click

from xaikit.cli.terminal import echo
from xaikit.errors import ConfigError
from xaikit.plain.text import typed_value


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--to", required=True, type=click.Path(dir_okay=False), help="A file such as coco.json or boxes.csv.")
@click.option("--threshold", help="A share of a map's largest value, a percentile such as 95%, or otsu.")
@click.option("--keep", type=click.Choice(["all", "largest"]), help="All regions of a map, or the largest alone.")
@click.option("--trial", help="Of one method or trial alone.")
@click.option(
    "--trust", is_flag=True, help="Import finishers that RUN names from files or modules: its author's code is run."
)
def boxes(run: str, to: str, threshold: str | None, keep: str | None, trial: str | None, trust: bool) -> None:
    """Write the boxes of what stands out in the maps of a RUN, in pixels of the original files.

    What is not said is as report.boxes of the config has it.
    """
    from xaikit.report.boxes import as_coco, as_table, boxes_of
    from xaikit.report.report import Report
    from xaikit.schema.boxes import BoxesConfig

    path = Path(to)
    if path.suffix not in (".json", ".csv"):
        raise ConfigError(f"--to: expected a file that ends in .json, of COCO, or .csv, got {to!r}")
    report = Report(run, trust=trust)
    overrides = {"threshold": None if threshold is None else typed_value(threshold, "--threshold"), "keep": keep}
    options = report.index.store.plan()["config"].get("report", {}).get("boxes") or {}
    try:
        stated = BoxesConfig(**options | {key: value for key, value in overrides.items() if value is not None})
    except ValueError as error:
        raise ConfigError(f"--{error}") from error
    listed = list(boxes_of(report, stated, trial))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((as_coco if path.suffix == ".json" else as_table)(listed), encoding="utf-8")
    count = sum(box.x0 is not None for box in listed)
    notes = {box.note: sum(one.note == box.note for one in listed) for box in listed if box.note}
    echo(f"{count} boxes of {len({box.name for box in listed})} photographs: {path}")
    for note, times in notes.items():
        echo(f"  {times} times: {note}")
