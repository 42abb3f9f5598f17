"""The commands that judge a run: `xaikit evaluate` and `xaikit leaderboard`."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import click

from xaikit.cli.terminal import echo
from xaikit.passes import allocator

if TYPE_CHECKING:
    from rich.table import Table

    from xaikit.analysis.ranking import Leaderboard
    from xaikit.analysis.standings import MetricStandings, Standing

SOME_FAILED, STOPPED = 1, 3

COLUMNS = ("rank", "method", "mean", "interval", "group", "n", "undefined", "dead", "ties", "chance", "does not beat")


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("metrics", nargs=-1, metavar="[METRIC|KEY=VALUE]...")
def evaluate(run: str, metrics: tuple[str, ...]) -> None:
    """Judge the stored maps of a RUN by metrics: names, `quick` (the default) or `full`; nothing is explained again.

    KEY=VALUE changes the run's config, such as metrics.srg.imputer=black or controls=false.
    """
    allocator.settle()  # before torch is imported and allocates
    from xaikit.analysis.ranking import leaderboard as ranked
    from xaikit.cli.progress import Progress
    from xaikit.runner.evaluating import evaluate as judge
    from xaikit.runner.stop import exit_codes

    overrides = [each for each in metrics if "=" in each]
    with Progress() as progress:
        report = judge(run, [each for each in metrics if "=" not in each], overrides, watcher=progress)
    progress.show(report)
    if report.measures.num_rows:
        show(ranked(report))
    if report.stopped:
        sys.exit(exit_codes().get(report.stopped, STOPPED))
    if report.failures:
        sys.exit(SOME_FAILED)


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--by", type=click.Choice(["label", "trial"]), default="label", show_default=True, help="What competes.")
@click.option("--csv", is_flag=True, help="All numbers, unrounded, a line a method and metric.")
@click.option("--duels", is_flag=True, help="With --csv: a line a pair of methods and metric.")
@click.option("--markdown", is_flag=True, help="Tables to paste into a page.")
def leaderboard(run: str, by: Any, csv: bool, duels: bool, markdown: bool) -> None:
    """Rank the methods of a RUN by all that was measured: intervals, controls, who cannot be told apart."""
    import pyarrow as pa

    from xaikit.analysis.ranking import leaderboard as ranked
    from xaikit.cli.tables import show_csv
    from xaikit.report.report import Report

    board = ranked(Report(run), by=by)
    if csv or duels:
        show_csv(pa.Table.from_pylist(board.duels() if duels else board.rows()))
    elif markdown:
        echo(as_markdown(board))
    else:
        show(board)


def show(board: Leaderboard) -> None:
    """Print a leaderboard, a table a metric."""
    from rich.console import Console

    console = Console()
    for each in board.metrics:
        console.print(_table(each))
    for line in notes(board):
        echo(line)


def _table(each: MetricStandings) -> Table:
    """Without the columns that say nothing of any; of the others only the last is wrapped, so that a name stays whole."""
    from rich.table import Column, Table

    from xaikit.cli.terminal import cell

    rows = [cells(standing) for standing in each.standings]
    shown = [place for place in range(len(COLUMNS)) if any(row[place] for row in rows)]
    columns = [Column(COLUMNS[place], no_wrap=place + 1 < len(COLUMNS), overflow="fold") for place in shown]
    table = Table(*columns, title=cell(heading(each)), box=None, pad_edge=False, title_justify="left")
    for row, standing in zip(rows, each.standings, strict=True):
        style = "dim" if standing.competitor.role != "method" else None
        table.add_row(*(cell(row[place]) for place in shown), style=style)
    return table


def as_markdown(board: Leaderboard) -> str:
    """The same as Markdown."""
    blocks = []
    for each in board.metrics:
        lines = [f"**{heading(each)}**", "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        blocks.append("\n".join([*lines, *(f"| {' | '.join(cells(one))} |" for one in each.standings)]))
    return "\n\n".join([*blocks, "\n".join(f"- {line}" for line in notes(board))])


def heading(each: MetricStandings) -> str:
    """A metric in a line: which way is better, and what it is worth itself."""
    judged = each.judged
    reliability = "" if math.isnan(each.reliability) else f", reliability {each.reliability:.2f}"
    doubt = "" if each.is_reliable else " (other photographs would give another order)"
    way = "higher is better" if judged.higher_is_better else "lower is better"
    failed = f" - FAILS: it {each.fails}" if each.fails else ""
    return f"{judged.metric} on {judged.model}: {way}{reliability}{doubt}{failed}"


def cells(standing: Standing) -> list[str]:
    """One competitor by one metric."""
    mean = standing.mean
    return [
        _number(standing.rank, "g"),
        standing.competitor.name,
        _number(mean.mean),
        "" if math.isnan(mean.low) else f"{mean.low:.4f} ... {mean.high:.4f}",
        standing.group,
        str(mean.count - mean.missing),
        str(mean.missing or ""),
        _share(standing.dead),
        _share(standing.ties),
        _number(standing.chance),
        ", ".join(standing.unbeaten),
    ]


def notes(board: Leaderboard) -> list[str]:
    """What the tables do not say: ranks by family, flips, and how to read them."""
    lines = [
        f"{each.model}, {each.family or 'other'}: {each.method} has the median rank {each.median:g} of {each.metrics} metrics"
        + (f" ({each.lowest:g} to {each.highest:g})" if each.lowest < each.highest else "")
        for each in board.families
    ]
    reading = (
        f"intervals: {100 * board.level:.4g} %, bootstrap over photographs; methods that share a letter cannot be told apart "
        "(critical difference); does not beat: by Holm over all controls of a metric"
    )
    return [*lines, *board.flips, reading]


def _number(value: float, form: str = ".4f") -> str:
    return "" if math.isnan(value) else format(value, form)


def _share(value: float) -> str:
    return "" if math.isnan(value) or not value else f"{value:.0%}"
