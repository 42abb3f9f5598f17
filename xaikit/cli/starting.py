"""Commands to start with: a config to edit, a distribution of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from xaikit.cli.terminal import echo


@click.command()
@click.argument("path", default="quickstart.yaml", type=click.Path(dir_okay=False))
def init(path: str) -> None:
    """Write a commented quickstart.yaml to start from."""
    target = Path(path)
    if target.exists():
        raise click.UsageError(f"{path} exists already: name another file, or delete it first")
    target.parent.mkdir(parents=True, exist_ok=True)
    template = Path(__file__).parent / "templates" / "quickstart.yaml"
    target.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    echo(f"wrote {path}; now: xaikit run {path}")


@click.command()
@click.argument("kind", metavar="KIND")
@click.argument("name")
@click.option("--to", default=".", type=click.Path(file_okay=False), help="Where to put the folder xaikit-NAME.")
@click.option("--stage", help="Of a finisher: rectify (the default), normalize, scale, resize or fuse.")
@click.option("--of", help="What a source gives: data (the default) or model.")
def new(kind: str, name: str, to: str, stage: str | None, of: str | None) -> None:
    """Write a distribution of your own, xaikit-NAME, with a plugin of KIND: method, metric, target, layout, finisher, source,
    observer."""
    from xaikit.cli import scaffold

    word = scaffold.kind_of(kind, stage, of)
    root = scaffold.write(word, name, Path(to))
    echo(f"wrote {root}; the line to replace is in {scaffold.module_of(name)}.py. Now:")
    for line in scaffold.next_commands(word, name, root):
        echo(f"  {line}")
