"""``xaikit explore``: drop a picture into a browser, and see what the methods of a config say of it."""

from __future__ import annotations

import click

from xaikit.cli.terminal import echo
from xaikit.passes import allocator


@click.command()
@click.argument("config", type=click.Path())
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--to", help="The folder that everything is written to; runs/NAME-explore by default.")
@click.option("--port", type=click.IntRange(1, 65535), help="A free one by default.")
@click.option("--open/--no-open", "opens", default=True, show_default=True, help="Open a browser.")
def explore(config: str, overrides: tuple[str, ...], to: str | None, port: int | None, opens: bool) -> None:
    """Serve a page on this machine: drop a picture, choose model, methods, layers and target, copy the YAML; extra `ui`."""
    allocator.settle()  # before torch is imported and allocates
    from xaikit.explore.page import serve
    from xaikit.explore.session import Session

    serve(Session(config, overrides, to), port=port, opens=opens, tell=echo)
