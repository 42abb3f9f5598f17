"""The command line. Nothing here imports torch: a command imports what it needs when it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from xaikit import __version__, allocator
from xaikit.errors import XaikitError

BAD_INPUT = 2
SOME_FAILED = 1
_overrides = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
_config = click.argument("config", type=click.Path(dir_okay=False))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="xaikit")
def commands() -> None:
    """Explain PyTorch models by plugins: class activation maps that are right by the paper.

    Exit codes: 0 all done, 1 some photographs could not be explained or some checks failed, 2 the input is wrong and
    nothing was started.
    """


@commands.command()
@_config
@_overrides
@click.option("--force", is_flag=True, help="Start over in a folder that belongs to another configuration.")
def run(config: str, overrides: tuple[str, ...], force: bool) -> None:
    """Explain the photographs of CONFIG and write maps, overlays, contact sheet and manifest."""
    allocator.settle()  # before torch is imported and allocates
    from xaikit import runner
    from xaikit.progress import Progress

    with Progress() as progress:
        report = runner.run(config, overrides, again=force, watcher=progress)
    progress.show(report)
    if report.failures:
        sys.exit(SOME_FAILED)


@commands.command()
@_config
@_overrides
def plan(config: str, overrides: tuple[str, ...]) -> None:
    """Say which passes a run of CONFIG makes and who shares them, without making them."""
    from xaikit import runner

    click.echo(str(runner.plan(config, overrides)))


@commands.command()
@_config
@_overrides
def show(config: str, overrides: tuple[str, ...]) -> None:
    """Print CONFIG resolved, with where each value came from."""
    from xaikit.config import load
    from xaikit.showing import shown

    resolved = load(config, overrides)
    click.echo(shown(resolved.plain(), resolved.origins))


@commands.command()
@click.argument("name", required=False)
@click.option("--kind", default="method", show_default=True, help="Another kind of plugin: target, scaler, model, ...")
def methods(name: str | None, kind: str) -> None:
    """List the methods that are installed, or show NAME: its equation, options, defaults and needs."""
    from xaikit.registry import KINDS, Registry
    from xaikit.showing import card, catalogue

    if kind not in KINDS:
        raise click.BadParameter(f"expected one of {', '.join(KINDS)}, got {kind!r}", param_hint="--kind")
    registry = Registry()
    click.echo(card(registry.find(kind, name)) if name else catalogue(registry.catalogue(kind)))


@commands.command()
@click.argument("plugin")
@click.option("--kind", default="method", show_default=True, help="Another kind of plugin: target, scaler, model, ...")
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check; may be given more than once.")
def check(plugin: str, kind: str, only: tuple[str, ...]) -> None:
    """Check that PLUGIN keeps its contract: the name of an installed one, or a file such as ./mycam.py."""
    from xaikit import checking
    from xaikit.registry import KINDS

    if kind not in KINDS:
        raise click.BadParameter(f"expected one of {', '.join(KINDS)}, got {kind!r}", param_hint="--kind")
    if not checking.check(kind, plugin, only):
        sys.exit(SOME_FAILED)


@commands.command()
@_config
@_overrides
def layers(config: str, overrides: tuple[str, ...]) -> None:
    """List the layers of CONFIG's model: names, shapes, strides, which one `auto` picks and why."""
    from xaikit import runner

    click.echo(runner.layers(config, overrides))


@commands.command()
@click.argument("path", default="quickstart.yaml", type=click.Path(dir_okay=False))
def init(path: str) -> None:
    """Write a commented quickstart.yaml to start from."""
    target = Path(path)
    if target.exists():
        raise click.UsageError(f"{path} exists already: name another file, or delete it first")
    template = Path(__file__).parent / "templates" / "quickstart.yaml"
    target.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    click.echo(f"wrote {path}; now: xaikit run {path}")


@commands.command()
@click.argument("kind", metavar="KIND")
@click.argument("name")
@click.option("--to", default=".", type=click.Path(file_okay=False), help="Where to put the folder xaikit-NAME.")
@click.option("--stage", help="Of a finisher: rectify (the default), normalize, scale, resize or fuse.")
@click.option("--of", help="What a source gives: data (the default) or model.")
def new(kind: str, name: str, to: str, stage: str | None, of: str | None) -> None:
    """Write a distribution of your own, xaikit-NAME, with a plugin of KIND: method, target, finisher or source."""
    from xaikit import scaffold

    word = scaffold.kind_of(kind, stage, of)
    root = scaffold.write(word, name, Path(to))
    click.echo(f"wrote {root}; the line to replace is in {scaffold.module_of(name)}.py. Now:")
    for line in scaffold.next_commands(word, name, root):
        click.echo(f"  {line}")


def main(args: list[str] | None = None) -> Any:
    """Run a command; errors that are xaikit's own are printed without a traceback, with exit code 2."""
    try:
        return commands(args)
    except XaikitError as error:
        notes = getattr(error, "__notes__", [])
        click.echo("\n".join([f"xaikit: {type(error).__name__}: {error}", *notes]), err=True)
        sys.exit(BAD_INPUT)
