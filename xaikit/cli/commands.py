"""The command line. Nothing here imports torch: a command imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Literal

import click

from xaikit._version import __version__
from xaikit.cli.boxes import boxes
from xaikit.cli.explaining import explain
from xaikit.cli.exploring import explore
from xaikit.cli.exporting import export
from xaikit.cli.figure import figure
from xaikit.cli.judging import evaluate, leaderboard
from xaikit.cli.metrics import metrics
from xaikit.cli.page import page
from xaikit.cli.starting import init, new
from xaikit.cli.terminal import echo, line_width
from xaikit.cli.viewing import view
from xaikit.passes import allocator

SOME_FAILED, STOPPED, CLOSED = 1, 3, 141


_overrides = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
_config = click.argument("config", type=click.Path())
_folder = click.argument("run", metavar="RUN")
_force = click.option("--force", is_flag=True, help="Start over in a folder that holds a run.")
_verbose = click.option("--verbose", "-v", is_flag=True, help="Say which allocator runs, too.")


_shard = click.option(
    "--shard",
    metavar="I/N",
    help="Do the I-th of N parts, for one job of many that share a folder; then run once without.",
)


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Where nobody reads the output any more the command ends quietly, as others do at that end of a pipe."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # what is left in its buffer would be written when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(CLOSED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xaikit")
@click.option("--debug", is_flag=True, help="Show the traceback of an error; may stand behind any command.")
def commands(debug: bool) -> None:
    """Explain PyTorch models by plugins: class activation maps that are right by the paper.

    Exit codes: 0 all done, 1 some photographs could not be explained, some checks failed, two runs differ or a file is damaged, 2
    the input is wrong or the folder cannot be used, 3 the budget is spent. Of a run that a signal ended: 130 Ctrl-C, 143
    SIGTERM, 129 SIGHUP; 141 where nobody reads the output. Whatever stopped a run, the same command goes on with it.
    """


@commands.command()
@_config
@_overrides
@_force
@_shard
@_verbose
def run(config: str, overrides: tuple[str, ...], force: bool, shard: str | None, verbose: bool) -> None:
    """Explain the photographs of CONFIG and write maps, overlays, contact sheet and manifest."""
    _run(config, overrides, (), force, shard, verbose)


@commands.command()
@_config
@_overrides
@_force
@_shard
@_verbose
def sweep(config: str, overrides: tuple[str, ...], force: bool, shard: str | None, verbose: bool) -> None:
    """Run CONFIG with axes added: KEY=VALUE,VALUE or KEY=0..4; a KEY=VALUE alone is an override as anywhere.

    Commas inside brackets do not part values: 'layers=[layer3],[layer3,layer4]' are two.
    """
    from xaikit.config.overrides import split_axes

    plain, axes = split_axes(overrides)
    _run(config, plain, axes, force, shard, verbose)


@commands.command()
@_config
@_overrides
@click.option("--dry", is_flag=True, help="Open no model and no photograph: only count what the config says.")
def plan(config: str, overrides: tuple[str, ...], dry: bool) -> None:
    """Say which passes a run of CONFIG makes, who shares them, what they cost and what is done; axes as with `sweep`."""
    from xaikit.config.overrides import split_axes

    plain, axes = split_axes(overrides)
    if dry:
        from xaikit.runner.outline import outline

        echo(outline(config, plain, axes=axes))
    else:
        from xaikit.runner import steps

        echo(str(steps.plan(config, plain, axes=axes)))


@commands.command()
@_folder
@click.argument("sql")
@click.option("--csv", is_flag=True, help="Comma-separated values instead of a table.")
def query(run: str, sql: str, csv: bool) -> None:
    """Answer SQL over the folder of a RUN: the views records, measures, trials, photographs and failures."""
    from xaikit.cli.tables import as_text, show_csv
    from xaikit.report.report import Report

    answer = Report(run).query(sql)
    if csv:
        show_csv(answer)
    else:
        echo(as_text(answer, line_width()))


@commands.command()
@_folder
def compact(run: str) -> None:
    """Merge the many small record files of a RUN into few; maps stay where they are."""
    from xaikit.report.compaction import compact as merge

    echo(f"{merge(run)} parts were merged")


@commands.command()
@_folder
def verify(run: str) -> None:
    """Read every file of a RUN and say which are lost or not what was written; exit code 1 where any is."""
    from xaikit.cli.progress import track
    from xaikit.report.text import aligned
    from xaikit.store.damage import examine, store_of_run

    store = store_of_run(run)
    results = list(track(examine(store), len(store.folder.names()), "files"))
    damaged = [damage for damage in results if damage is not None]
    if not damaged:
        click.echo(f"{len(results)} files are what was written")
        return
    click.echo(aligned([("file", "what is wrong"), *((damage.file, damage.problem) for damage in damaged)]))
    click.echo(
        f"{len(damaged)} of {len(results)} files; `xaikit run` with the config of the run makes them anew, and only them"
    )
    sys.exit(SOME_FAILED)


@commands.command()
@_folder
@click.option("--by", type=click.Choice(["label", "trial"]), default="label", show_default=True)
@click.option("--measure", help="Only this measure, such as area, gini or a metric of the run.")
@click.option("--csv", is_flag=True, help="Comma-separated values, unrounded, instead of tables; notes go to stderr.")
@click.option(
    "--trust", is_flag=True, help="Import finishers that RUN names from files or modules: its author's code is run."
)
@click.option(
    "--only", type=click.Choice(["right", "wrong"]), help="Photographs on which the model is right, or wrong."
)
def compare(
    run: str,
    by: Literal["label", "trial"],
    measure: str | None,
    csv: bool,
    trust: bool,
    only: Literal["right", "wrong"] | None,
) -> None:
    """Compare the methods of a RUN: means over photographs with bootstrap intervals, and paired tests."""
    from xaikit.analysis.comparison import compare as compared
    from xaikit.cli.tables import show_comparison
    from xaikit.report.report import Report

    show_comparison(compared(Report(run, trust=trust), by=by, measure=measure, only=only), csv)


@commands.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option("--tolerance", default=1e-3, show_default=True, help="In units of the largest magnitude of a map.")
def diff(run_a: str, run_b: str, tolerance: float) -> None:
    """Compare the maps and records of two runs; exit code 1 where they differ or are missing."""
    from xaikit.analysis.matching import diff as differences
    from xaikit.report.report import Report

    difference = differences(Report(run_a), Report(run_b), tolerance=tolerance)
    echo(str(difference))
    if not difference.same:
        sys.exit(SOME_FAILED)


@commands.command()
@_config
@_overrides
def show(config: str, overrides: tuple[str, ...]) -> None:
    """Print CONFIG resolved, with where each value came from."""
    from xaikit.cli.cards import shown
    from xaikit.config import load
    from xaikit.registry import Registry

    resolved = load(config, overrides, Registry().lazy())
    echo(shown(resolved.plain(), resolved.origins))


@commands.command()
@click.argument("name", required=False)
@click.option("--kind", default="method", show_default=True, help="Another kind of plugin: target, scaler, model, ...")
def methods(name: str | None, kind: str) -> None:
    """List the methods that are installed, or show NAME: its equation, options, defaults and needs."""
    from xaikit.cli.cards import card, catalogue
    from xaikit.registry import KINDS, Registry

    if kind not in KINDS:
        raise click.BadParameter(f"expected one of {', '.join(KINDS)}, got {kind!r}", param_hint="--kind")
    registry = Registry().lazy()
    others = [other for other in KINDS if name in registry.names(other)]
    if name and others and kind not in others:
        raise click.UsageError(f"{name} is no {kind} but a {others[0]}: xaikit methods {name} --kind {others[0]}")
    echo(card(registry.find(kind, name)) if name else catalogue(registry.catalogue(kind), line_width()))


@commands.command()
@click.argument("plugin")
@click.option(
    "--kind", help="Of the plugin: method, metric, target, scaler, model, ...; what its name or file says by default."
)
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check; may be given more than once.")
def check(plugin: str, kind: str | None, only: tuple[str, ...]) -> None:
    """Check that PLUGIN keeps its contract: the name of an installed one, or a file such as ./mycam.py."""
    from xaikit.cli import check
    from xaikit.registry import KINDS

    if kind is not None and kind not in KINDS:
        raise click.BadParameter(f"expected one of {', '.join(KINDS)}, got {kind!r}", param_hint="--kind")
    if not check.check(kind or check.kind_of(plugin), plugin, only):
        sys.exit(SOME_FAILED)


@commands.command()
@_config
@_overrides
@click.option("--match", default="*", show_default=True, help="Only names like this, such as 'layer4*' or '*conv3'.")
def layers(config: str, overrides: tuple[str, ...], match: str) -> None:
    """List the layers of CONFIG's model: names, shapes, strides, which one `auto` picks and why."""
    from xaikit.runner import steps

    echo(steps.layers(config, overrides, match=match, width=line_width()))


for written_apart in (boxes, evaluate, explain, explore, export, figure, init, leaderboard, metrics, new, page, view):
    commands.add_command(written_apart)


def _run(
    config: str, overrides: Sequence[str], axes: Sequence[str], force: bool, shard: str | None, verbose: bool
) -> None:
    allocator.settle()  # before torch is imported and allocates
    from xaikit.cli.progress import Progress
    from xaikit.runner import steps
    from xaikit.runner.stop import exit_codes

    share = None if shard is None else _share(shard)
    with Progress() as progress:
        report = steps.run(config, overrides, axes=axes, again=force, share=share, watcher=progress)
    progress.show(report, verbose=verbose)
    if report.stopped:
        sys.exit(exit_codes().get(report.stopped, STOPPED))
    if report.failures:
        sys.exit(SOME_FAILED)


def _share(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise click.BadParameter(f"expected I/N with I from 1 to N, such as 1/4, got {text!r}", param_hint="--shard")
    return int(part), int(parts)
