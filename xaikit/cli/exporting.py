"""``xaikit export``: a model with its maps as one file that runs without xaikit."""

from __future__ import annotations

import click

from xaikit.cli.terminal import echo


@click.command()
@click.argument("config", type=click.Path())
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--to", required=True, help="model.onnx for runtimes of ONNX (extra `export`), model.pt2 for torch.export.load."
)
def export(config: str, overrides: tuple[str, ...], to: str) -> None:
    """Write the model of CONFIG with its maps as one plain forward: from inputs to logits and maps, without autograd.

    For methods of one pass. The file is run and compared with xaikit's own maps before it is kept.
    """
    from xaikit.exports.export import export as exported

    echo(str(exported(config, to, overrides)))
